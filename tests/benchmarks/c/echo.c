/* The limits of an echo server: nothing between it and the kernel.
 *
 *     echo recvfrom|recvmmsg|segments
 *
 * recvfrom: one recvfrom and one sendto per datagram. recvmmsg: one recvmmsg and one sendmmsg for up to
 * BATCH of them. segments: the same, and neighbouring replies of one size to one peer leave as one
 * message with UDP_SEGMENT.
 *
 * It echoes on 127.0.0.1, prints its port first, and ends with its parent, or after LIFE.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { BATCH = 64, LARGEST = 65535, LIFE = 120, MOST_BYTES = 65507, RECEIVE_BUFFER = 4 << 20 };

static char data[BATCH][LARGEST];
static struct sockaddr_in peers[BATCH];
static struct iovec pieces[BATCH];
static struct mmsghdr incoming[BATCH], outgoing[BATCH];
static char controls[BATCH][CMSG_SPACE(sizeof(uint16_t))];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int open_server(void) {
    struct sockaddr_in here = {.sin_family = AF_INET};
    socklen_t length = sizeof here;
    int buffer = RECEIVE_BUFFER;
    int server = socket(AF_INET, SOCK_DGRAM, 0);
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(server, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (bind(server, (struct sockaddr *)&here, sizeof here)) fail("bind");
    if (getsockname(server, (struct sockaddr *)&here, &length)) fail("getsockname");
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    return server;
}

static void echo_one(int server) {
    socklen_t length = sizeof *peers;
    ssize_t size = recvfrom(server, *data, LARGEST, 0, (struct sockaddr *)peers, &length);
    if (size >= 0) sendto(server, *data, size, 0, (struct sockaddr *)peers, length);
}

static int receive_batch(int server) {
    for (int i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){data[i], LARGEST};
        incoming[i].msg_hdr = (struct msghdr){
            .msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    int got = recvmmsg(server, incoming, BATCH, MSG_WAITFORONE, NULL);
    for (int i = 0; i < got; i++) pieces[i].iov_len = incoming[i].msg_len;
    return got;
}

static void send_all(int server, struct mmsghdr *messages, int count) {
    for (int sent = 0, now; sent < count; sent += now)
        if ((now = sendmmsg(server, messages + sent, count - sent, 0)) <= 0) fail("sendmmsg");
}

static void echo_batch(int server) { send_all(server, incoming, receive_batch(server)); }

/* How many of the datagrams from `first` on can leave together. */
static int length_of_run(int first, int count) {
    size_t size = pieces[first].iov_len, total = size;
    int next = first + 1;
    for (; next < count; next++) {
        total += size;
        if (size == 0 || pieces[next].iov_len != size || total > MOST_BYTES) break;
        if (memcmp(&peers[next], &peers[first], sizeof *peers)) break;
    }
    return next - first;
}

static void mark_segments(struct msghdr *message, char *control, uint16_t size) {
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(sizeof size);
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(header), &size, sizeof size);
}

static void echo_segments(int server) {
    int got = receive_batch(server), messages = 0;
    for (int i = 0, run; i < got; i += run) {
        struct msghdr *message = &outgoing[messages].msg_hdr;
        run = length_of_run(i, got);
        *message = (struct msghdr){
            .msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &pieces[i], .msg_iovlen = run};
        if (run > 1) mark_segments(message, controls[messages], pieces[i].iov_len);
        messages++;
    }
    send_all(server, outgoing, messages);
}

int main(int argc, char **arguments) {
    void (*echo)(int) = NULL;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL)) fail("prctl");
    alarm(LIFE);
    if (argc == 2 && !strcmp(arguments[1], "recvfrom")) echo = echo_one;
    if (argc == 2 && !strcmp(arguments[1], "recvmmsg")) echo = echo_batch;
    if (argc == 2 && !strcmp(arguments[1], "segments")) echo = echo_segments;
    if (!echo) return fputs("echo recvfrom|recvmmsg|segments\n", stderr), 2;
    for (int server = open_server();;) echo(server);
}
