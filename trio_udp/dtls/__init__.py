"""Peers that are who they say they are, and talk so that nobody else understands: DTLS (RFC 6347), which is TLS in UDP.

    context = server_context("cert.pem", "key.pem")
    await serve_dtls_peers(converse, 4433, context)            # converse(channel), as for serve_udp_peers

    async with await open_dtls_channel("example.org", 4433) as channel:
        await channel.send(b"hello")

The cryptography is OpenSSL's, by way of pyOpenSSL; cookies, handshakes and sending them again are those of
`trio.DTLSEndpoint`. Used directly, that has edges which a server notices late. A receive loop runs in a system task,
where any OSError of the socket, say of a firewall, ends the whole program; an empty datagram ends a handshake; a
handshake that has failed goes on until somebody's deadline, as what OpenSSL says about it is not heard; nobody looks at
a certificate's name, nor at a certificate if the context does not ask for it; any number of peers may come. So
something of ours stands on either side of it. Below is a socket that counts what it meets and never raises it there.
Above are a handshake that knows how it went and a channel with the same surface as those of plain UDP, so that a
handler need not know which one it has.

The price is that system task, one for each socket: a task that no nursery of the caller's can see. It does nothing but
hand what arrives to the peers, ends when its socket is closed, and what goes wrong in it is raised where the socket
belongs.

And OpenSSL before 4.0.3 takes some forged datagrams for the end of a conversation. So the extra asks for new versions,
and where an older one is used all the same, it is that one peer's channel that ends.

What stays UDP: datagrams get lost and reordered (not doubled: DTLS drops what it has seen). What DTLS does not have: an
empty datagram, which is dropped and counted, and one of more than 16,384 bytes, which is an error.

What is refused: a client that checks nothing without saying so. Pre-shared keys: pyOpenSSL has no way to give them.

    _context               what OpenSSL has to know: certificates, and whom to believe
    _between               the socket that Trio's DTLS is given
    _handshake             agreeing on keys, and why that did not work
    _name                  whose certificate it has to be
    _swallowed             what Trio's DTLS throws away, and why
    _conversation          with whom, through which socket, and whether it is over
    _sending  _receiving   datagrams become records and leave; what has come is decrypted, and waited for
    _unread                what has come and will not be read
    _line                  what carries the datagrams of a channel: those together
    _client  _serve        open_dtls_channel; serve_dtls_peers and serve_dtls
"""

try:
    from ._client import open_dtls_channel
    from ._context import client_context, server_context
    from ._serve import serve_dtls, serve_dtls_peers
except ModuleNotFoundError as error:  # its message does not say which package brings the module
    if error.name not in ("OpenSSL", "service_identity", "cryptography"):
        raise
    raise ImportError(f'trio_udp.dtls needs {error.name}: python -m pip install "trio_udp[dtls]"') from error

__all__ = ["serve_dtls_peers", "serve_dtls", "open_dtls_channel", "server_context", "client_context"]
