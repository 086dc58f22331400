"""A server that wants certificates of its clients: one has one, and another has none."""

import ssl
from functools import partial

import trio
from OpenSSL import SSL

from trio_udp import UDPChannel, dtls


async def shout(channel: UDPChannel) -> None:
    async for data in channel:
        await channel.send(data.upper())


def context_of_server() -> SSL.Context:
    context = dtls.server_context("cert.pem", "key.pem")
    context.load_verify_locations("ca.pem")
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    return context


def context_of_client() -> SSL.Context:
    context = dtls.client_context("ca.pem")
    context.use_certificate_file("me.pem")
    context.use_privatekey_file("me.key")
    return context


async def main() -> None:
    async with trio.open_nursery() as nursery:
        serve = partial(dtls.serve_dtls_peers, shout, 0, context_of_server())
        [endpoint, *_] = await nursery.start(partial(serve, host="localhost"))
        port = endpoint.address[1]
        for mine in (context_of_client(), dtls.client_context("ca.pem")):
            try:
                async with await dtls.open_dtls_channel("localhost", port, mine) as channel:
                    await channel.send(b"it is me")
                    print(await channel.receive())
            except ssl.SSLError as error:
                print(error)
        nursery.cancel_scope.cancel()


trio.run(main)
