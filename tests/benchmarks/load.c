/* The load: many UDP clients in one process, each with a window of requests in flight.
 *
 *     load PORT CLIENTS WINDOW SECONDS SIZE CORE
 *
 * A closed loop: every reply makes its client send the next request, so the server is always asked
 * as much as it can take and never more than CLIENTS x WINDOW at a time. Three things make its
 * figures fit to be compared:
 *
 * It polls. A load that sleeps has to be woken by the server's sendto, so how often it sleeps would
 * be a part of the server's CPU time. So the load burns its own core, and only that one.
 *
 * It survives loss. A client without a reply for 50 ms gives its window up and sends a new one. Each
 * request carries the number of its window (its generation): a reply to a window given up counts as
 * an echo, for the server worked for it, but asks for no further request; otherwise every late reply
 * would widen the window for ever.
 *
 * It counts what the server did. When the time is over it sends no more but waits for what is still
 * in flight, so that the server's CPU time and the number of replies are about the same datagrams.
 *
 * It ends by itself, whatever the server does, a second after SECONDS at the latest, and prints one
 * JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, LARGEST = 65507, BUFFER = 1 << 20 };
static const double SILENCE = 0.050, DRAIN_AT_MOST = 1.0; /* seconds */

struct client {
    int socket;
    uint32_t generation;
    int in_flight;
    double heard; /* when the last reply came, or the last refill went out */
};

static struct client *clients;
static int count, window, size, poller;
static long long sent, replies, refilled, wrong;
static double now;
static char *request;
static uint32_t generations[BATCH];
static struct mmsghdr outgoing[BATCH], incoming[BATCH];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void open_client(struct client *client, int port) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    int buffer = BUFFER;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (client->socket < 0) fail("socket");
    setsockopt(client->socket, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (connect(client->socket, (struct sockaddr *)&server, sizeof server)) fail("connect");
    if (epoll_ctl(poller, EPOLL_CTL_ADD, client->socket, &event)) fail("epoll_ctl");
}

/* The buffers of both directions, described once: one request for all, a head of each reply. */
static void lay_out_batches(void) {
    static char data[LARGEST];
    static struct iovec whole = {.iov_base = data}, heads[BATCH];
    request = data;
    whole.iov_len = size;
    for (int i = 0; i < BATCH; i++) {
        heads[i] = (struct iovec){&generations[i], sizeof generations[i]};
        outgoing[i].msg_hdr = (struct msghdr){.msg_iov = &whole, .msg_iovlen = 1};
        incoming[i].msg_hdr = (struct msghdr){.msg_iov = &heads[i], .msg_iovlen = 1};
    }
}

static int at_most(int value, int limit) { return value < limit ? value : limit; }

/* Bring the client's window up to its full width. What the kernel does not take now is tried again
 * at the next reply, or at the refill. */
static void fill(struct client *client) {
    memcpy(request, &client->generation, sizeof client->generation);
    while (client->in_flight < window) {
        int missing = at_most(window - client->in_flight, BATCH);
        int taken = sendmmsg(client->socket, outgoing, missing, 0);
        if (taken <= 0) return;
        client->in_flight += taken;
        sent += taken;
    }
}

/* Take the replies that wait at this client: only their heads are copied, MSG_TRUNC tells their whole
 * length. To ask for no more than are in flight saves the kernel a look into an empty queue. */
static int collect(struct client *client) {
    int hoped = client->in_flight > 0 ? at_most(client->in_flight, BATCH) : 1;
    int got = recvmmsg(client->socket, incoming, hoped, MSG_DONTWAIT | MSG_TRUNC, NULL);
    for (int i = 0; i < got; i++) {
        replies++;
        wrong += incoming[i].msg_len != (unsigned)size;
        client->in_flight -= client->in_flight > 0 && generations[i] == client->generation;
        client->heard = now;
    }
    return got > 0 ? got : 0;
}

static void refill_silent(void) {
    for (struct client *client = clients; client < clients + count; client++) {
        if (now - client->heard < SILENCE) continue;
        client->generation++;
        client->in_flight = 0;
        client->heard = now;
        refilled++;
        fill(client);
    }
}

/* One look at all sockets, without waiting. Returns the number of replies found. */
static int turn(int ask_again) {
    struct epoll_event events[BATCH];
    int found = 0;
    int ready = epoll_wait(poller, events, BATCH, 0);
    now = clock_now();
    for (int i = 0; i < ready; i++) {
        found += collect(events[i].data.ptr);
        if (ask_again) fill(events[i].data.ptr);
    }
    return found;
}

static void run_until(double end) {
    double sweep = now;
    while (now < end) {
        turn(1);
        if (now - sweep < SILENCE / 10) continue;
        sweep = now;
        refill_silent();
    }
}

static void drain(double end) {
    for (double heard = now; replies < sent && now - heard < SILENCE && now < end;)
        if (turn(0)) heard = now;
}

static int number(const char *text, int least, int most) {
    int value = atoi(text);
    if (value >= least && value <= most) return value;
    fprintf(stderr, "load: %s is not in %d..%d\n", text, least, most);
    exit(2);
}

static void set_up(char **arguments) {
    int port = number(arguments[1], 1, 65535);
    cpu_set_t cores;
    count = number(arguments[2], 1, 1000);
    window = number(arguments[3], 1, 1000);
    size = number(arguments[5], sizeof(uint32_t), LARGEST);
    CPU_ZERO(&cores);
    CPU_SET(number(arguments[6], 0, CPU_SETSIZE - 1), &cores);
    if (sched_setaffinity(0, sizeof cores, &cores)) fail("sched_setaffinity");
    lay_out_batches();
    if ((poller = epoll_create1(0)) < 0) fail("epoll_create1");
    if (!(clients = calloc(count, sizeof *clients))) fail("calloc");
    for (int i = 0; i < count; i++) open_client(&clients[i], port);
}

int main(int argc, char **arguments) {
    if (argc != 7) return fputs("load PORT CLIENTS WINDOW SECONDS SIZE CORE\n", stderr), 2;
    double seconds = atof(arguments[4]);
    if (!(seconds > 0 && seconds <= 60)) return fputs("load: SECONDS is 0 to 60\n", stderr), 2;
    set_up(arguments);
    double start = now = clock_now();
    for (int i = 0; i < count; i++) {
        clients[i].heard = now;
        fill(&clients[i]);
    }
    run_until(start + seconds);
    drain(now + DRAIN_AT_MOST);
    printf("{\"replies\": %lld, \"seconds\": %.6f, ", replies, now - start);
    printf("\"lost\": %lld, \"refilled\": %lld, \"wrong\": %lld}\n", sent - replies, refilled, wrong);
}
