/* The limits of one flow: the kernel's segmentation offload with nothing on top.
 *
 *     flow send|singles|receive|copies
 *
 * send: UDP_SEGMENT, SEGMENTS datagrams in each sendmsg. singles: one in each, as most programs do it.
 * receive: UDP_GRO, what came together in each recvmsg. copies: the same, and each datagram gets memory of its own, as it does in Python. All say
 * and hear what flows/__init__.py tells, and end with their parent, or after LIFE.
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
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { SIZE = 1200, SEGMENTS = 54, LARGEST = 65535, LIFE = 120, RECEIVE_BUFFER = 4 << 20, KEPT = 512 };
enum { MARKS = 5, MARK_PAUSE = 20000 }; /* microseconds */

static char data[LARGEST];
static char *kept[KEPT];
static int here, copies;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void open_and_connect(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int buffer = RECEIVE_BUFFER, port;
    here = socket(AF_INET, SOCK_DGRAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(here, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (bind(here, (struct sockaddr *)&address, sizeof address)) fail("bind");
    if (getsockname(here, (struct sockaddr *)&address, &length)) fail("getsockname");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    if (scanf("%d", &port) != 1) exit(2);
    address.sin_port = htons(port);
    if (connect(here, (struct sockaddr *)&address, sizeof address)) fail("connect");
}

static void send_for(double seconds, struct msghdr *message, int datagrams) {
    long long sent = 0;
    double began = clock_now(), now;
    while ((now = clock_now()) < began + seconds) {
        if (sendmsg(here, message, 0) < 0) fail("sendmsg");
        sent += datagrams;
    }
    for (int i = 0; i < MARKS; i++) {
        usleep(MARK_PAUSE);
        if (send(here, ".", 1, 0) < 0) fail("send");
    }
    printf("{\"sent\": %lld, \"seconds\": %.6f}\n", sent, now - began);
    fflush(stdout);
}

static void send_singles(void) {
    struct iovec one = {data, SIZE};
    struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1};
    double seconds;
    while (scanf("%lf", &seconds) == 1) send_for(seconds, &message, 1);
}

static void send_flow(void) {
    char control[CMSG_SPACE(sizeof(uint16_t))];
    struct iovec run = {data, SIZE * SEGMENTS};
    struct msghdr message = {
        .msg_iov = &run, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    uint16_t size = SIZE;
    double seconds;
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(header), &size, sizeof size);
    while (scanf("%lf", &seconds) == 1) send_for(seconds, &message, SEGMENTS);
}

/* The size of the datagrams that came together; the last may be shorter. */
static int segment_size(struct msghdr *message, int whole) {
    int size = whole;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header))
        if (header->cmsg_level == IPPROTO_UDP && header->cmsg_type == UDP_GRO)
            memcpy(&size, CMSG_DATA(header), sizeof size);
    return size;
}

/* The program has the last KEPT datagrams. Returns how many there were. */
static int take_apart(int whole, int size) {
    static int next;
    if (!copies) return (whole + size - 1) / size;
    int count = 0;
    for (int start = 0; start < whole; start += size, count++) {
        int length = whole - start < size ? whole - start : size;
        free(kept[next]);
        if (!(kept[next] = malloc(length))) fail("malloc");
        memcpy(kept[next], data + start, length);
        next = (next + 1) % KEPT;
    }
    return count;
}

static void receive_flow(void) {
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec room = {data, LARGEST};
    long long received = 0;
    int on = 1;
    if (setsockopt(here, IPPROTO_UDP, UDP_GRO, &on, sizeof on)) fail("UDP_GRO");
    for (;;) {
        struct msghdr message = {
            .msg_iov = &room, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        int whole = recvmsg(here, &message, 0);
        if (whole < 0) continue; /* a refusal: the other end was not there yet */
        if (whole > 1) {
            received += take_apart(whole, segment_size(&message, whole));
        } else if (received) {
            printf("{\"received\": %lld}\n", received);
            fflush(stdout);
            received = 0;
        }
    }
}

int main(int argc, char **arguments) {
    copies = argc == 2 && !strcmp(arguments[1], "copies");
    if (argc != 2) return fputs("flow send|singles|receive|copies\n", stderr), 2;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL)) fail("prctl");
    alarm(LIFE);
    open_and_connect();
    puts("\"ready\"");
    fflush(stdout);
    if (!strcmp(arguments[1], "send")) send_flow();
    else if (!strcmp(arguments[1], "singles")) send_singles();
    else if (copies || !strcmp(arguments[1], "receive")) receive_flow();
    else return 2;
}
