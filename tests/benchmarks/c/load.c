/* The load: many UDP clients in one process.
 *
 *     load each|rotate PORT CLIENTS WINDOW SECONDS SIZE
 *
 * A closed loop. `each`: every client has a window of requests in flight, and each reply makes it send
 * the next one, so the server is always asked as much as it can take and never more than CLIENTS x
 * WINDOW at a time. `rotate`: WINDOW requests are in flight altogether, and for each reply the next
 * client in line asks, so the number of addresses changes and nothing else. Three things make its
 * figures fit to be compared:
 *
 * It polls. A load that sleeps has to be woken by the server's sendto, so how often it sleeps would
 * be a part of the server's CPU time. So the load burns its own core, and only that one.
 *
 * It survives loss. A client without a reply for 50 ms, and 200 us more for each request in flight,
 * gives its window up and sends a new one (with `rotate`, all of them together). Each request carries
 * the number of its window (its generation): a reply to a window given up counts as an echo, for the
 * server worked for it, but asks for no further request; otherwise every late reply would widen the
 * window for ever.
 *
 * It counts what the server did. When the time is over it sends no more but waits for what is still
 * in flight, so that the server's CPU time and the number of replies are about the same datagrams.
 *
 * It ends by itself, whatever the server does, a second after SECONDS at the latest, and prints one
 * JSON object. Where only one request is in flight, that tells the median of the round trips, too.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, LARGEST = 65507, BUFFER = 1 << 20, MOST_CLIENTS = 10000, MOST_TRIPS = 1 << 20 };
static const double SILENCE = 0.050, SILENCE_EACH = 0.0002, DRAIN_AT_MOST = 1.0; /* seconds */

struct client {
    int socket;
    uint32_t generation;
    int in_flight;
    double heard; /* when the last reply came, or the last refill went out */
};

static struct client *clients;
static int rotates, count, window, size, poller;
static int in_flight, next_client; /* of all clients together, with `rotate` */
static int trips;
static double heard, asked, trip[MOST_TRIPS]; /* the round trips, in seconds, where one request is in flight */
static long long sent, replies, refilled, wrong;
static double now, silence;
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
    if (count * window == 1) asked = clock_now();
    memcpy(request, &client->generation, sizeof client->generation);
    while (client->in_flight < window) {
        int missing = at_most(window - client->in_flight, BATCH);
        int taken = sendmmsg(client->socket, outgoing, missing, 0);
        if (taken <= 0) return;
        client->in_flight += taken;
        sent += taken;
    }
}

/* The same for all clients together, who take turns. */
static void fill_rotating(void) {
    while (in_flight < window) {
        struct client *client = &clients[next_client];
        memcpy(request, &client->generation, sizeof client->generation);
        if (send(client->socket, request, size, 0) < 0) return;
        next_client = (next_client + 1) % count;
        client->in_flight++;
        in_flight++;
        sent++;
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
        int expected = client->in_flight > 0 && generations[i] == client->generation;
        client->in_flight -= expected;
        in_flight -= expected;
        client->heard = heard = now;
    }
    if (got > 0 && asked && trips < MOST_TRIPS) trip[trips++] = now - asked;
    return got > 0 ? got : 0;
}

static void refill_silent(void) {
    for (struct client *client = clients; client < clients + count; client++) {
        if (now - client->heard < silence) continue;
        client->generation++;
        client->in_flight = 0;
        client->heard = now;
        refilled++;
        fill(client);
    }
}

static void refill_rotating(void) {
    if (now - heard < silence) return;
    for (struct client *client = clients; client < clients + count; client++) {
        client->generation++;
        client->in_flight = 0;
    }
    in_flight = 0;
    heard = now;
    refilled++;
    fill_rotating();
}

/* One look at all sockets, without waiting. Returns the number of replies found. */
static int turn(int ask_again) {
    struct epoll_event events[BATCH];
    int found = 0;
    int ready = epoll_wait(poller, events, BATCH, 0);
    now = clock_now();
    for (int i = 0; i < ready; i++) {
        found += collect(events[i].data.ptr);
        if (ask_again && !rotates) fill(events[i].data.ptr);
    }
    if (ask_again && rotates) fill_rotating();
    return found;
}

static void run_until(double end) {
    double sweep = now;
    while (now < end) {
        turn(1);
        if (now - sweep < SILENCE / 10) continue;
        sweep = now;
        if (rotates) refill_rotating();
        else refill_silent();
    }
}

static void drain(double end) {
    for (double heard = now; replies < sent && now - heard < silence && now < end;)
        if (turn(0)) heard = now;
}

static int number(const char *text, int least, int most) {
    int value = atoi(text);
    if (value >= least && value <= most) return value;
    fprintf(stderr, "load: %s is not in %d..%d\n", text, least, most);
    exit(2);
}

static void allow_many_sockets(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files)) fail("getrlimit");
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files)) fail("setrlimit");
}

static void set_up(char **arguments) {
    int port = number(arguments[2], 1, 65535);
    rotates = !strcmp(arguments[1], "rotate");
    count = number(arguments[3], 1, MOST_CLIENTS);
    window = number(arguments[4], 1, 1000);
    size = number(arguments[6], sizeof(uint32_t), LARGEST);
    silence = SILENCE + SILENCE_EACH * window * (rotates ? 1 : count);
    allow_many_sockets();
    lay_out_batches();
    if ((poller = epoll_create1(0)) < 0) fail("epoll_create1");
    if (!(clients = calloc(count, sizeof *clients))) fail("calloc");
    for (int i = 0; i < count; i++) open_client(&clients[i], port);
}

static int earlier(const void *one, const void *other) {
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

static double median_trip(void) {
    qsort(trip, trips, sizeof *trip, earlier);
    return trip[trips / 2];
}

int main(int argc, char **arguments) {
    if (argc != 7 || (strcmp(arguments[1], "each") && strcmp(arguments[1], "rotate")))
        return fputs("load each|rotate PORT CLIENTS WINDOW SECONDS SIZE\n", stderr), 2;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL)) fail("prctl");
    double seconds = atof(arguments[5]);
    if (!(seconds > 0 && seconds <= 60)) return fputs("load: SECONDS is 0 to 60\n", stderr), 2;
    set_up(arguments);
    double start = heard = now = clock_now();
    for (int i = 0; i < count && !rotates; i++) {
        clients[i].heard = now;
        fill(&clients[i]);
    }
    if (rotates) fill_rotating();
    run_until(start + seconds);
    drain(now + DRAIN_AT_MOST);
    printf("{\"replies\": %lld, \"seconds\": %.6f, ", replies, now - start);
    printf("\"round_trip\": %.9f, ", median_trip());
    printf("\"lost\": %lld, \"refilled\": %lld, \"wrong\": %lld}\n", sent - replies, refilled, wrong);
}
