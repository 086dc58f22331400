/* What `python -m trio_udp bench` does in a closed loop, done again in C, to check its numbers against.
 *
 *     ask PORT CLIENTS IN_FLIGHT REQUESTS SIZE WAIT [RATE closed|open]
 *
 * CLIENTS sockets to 127.0.0.1 keep IN_FLIGHT requests waiting each, until REQUESTS are sent. A request without a reply
 * for WAIT seconds is lost and makes room for the next one; a reply after that makes it late; a further one is a
 * duplicate. It shares no idea with the program that it checks beyond those words: each request has an entry of its own
 * in an array, latencies are kept one by one and sorted, and each datagram has a system call of its own.
 *
 * With a RATE, request number n (from 0) goes out n/RATE seconds after the start and no sooner; in a closed loop when
 * there is a place for it as well, and in an open loop whatever the replies do, its time running from when it was due.
 *
 * The number of a request is in the last 4 bytes of its payload. The result is one JSON object; times in milliseconds.
 * It ends when each request is answered or lost, so REQUESTS x WAIT / (CLIENTS x IN_FLIGHT) seconds after the last one
 * was due at the latest.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum { LARGEST = 65507, MOST = 10000000, BUFFER = 4 << 20 };
enum fate { WAITING, ANSWERED, LATE, LOST };

struct client {
    int socket, waiting;
};
struct request {
    double sent_at;
    struct client *client;
    enum fate fate;
};

static struct client *clients;
static struct request *requests;
static double *latencies, patience, start, rate; /* no rate: 0 */
static uint32_t total, sent, oldest; /* of those that may still be waiting, the first */
static int count, in_flight, size, poller, open_loop;
static long answered, late, lost, duplicates, unrelated;

static double clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void open_client(struct client *client, int port) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    int buffer = BUFFER;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if ((client->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)) < 0) fail("socket");
    setsockopt(client->socket, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (connect(client->socket, (struct sockaddr *)&server, sizeof server)) fail("connect");
    if (epoll_ctl(poller, EPOLL_CTL_ADD, client->socket, &event)) fail("epoll_ctl");
}

static double due_at(uint32_t number) { return rate > 0 ? start + number / rate : start; }

static void fill(struct client *client, uint32_t most) {
    static char data[LARGEST];
    for (; most && sent < total && (open_loop || client->waiting < in_flight); most--) {
        double now = clock_now();
        if (now < due_at(sent)) return;
        memcpy(data + size - sizeof sent, &sent, sizeof sent);
        requests[sent] = (struct request){open_loop ? due_at(sent) : now, client, WAITING};
        if (send(client->socket, data, size, 0) < 0) fail("send");
        client->waiting++;
        sent++;
    }
}

static void take(struct client *client, const char *data, ssize_t length, double now) {
    uint32_t number = UINT32_MAX;
    if (length >= (ssize_t)sizeof number) memcpy(&number, data + length - sizeof number, sizeof number);
    if (number >= sent) {
        unrelated++;
        return;
    }
    struct request *request = &requests[number];
    if (request->fate == ANSWERED || request->fate == LATE) {
        duplicates++;
        return;
    }
    latencies[answered + late] = now - request->sent_at;
    lost -= request->fate == LOST;
    client->waiting -= request->fate == WAITING;
    request->fate = now - request->sent_at > patience ? LATE : ANSWERED;
    *(request->fate == LATE ? &late : &answered) += 1;
}

static void receive(struct client *client) {
    static char data[LARGEST];
    ssize_t length;
    while ((length = recv(client->socket, data, sizeof data, 0)) >= 0) take(client, data, length, clock_now());
    fill(client, total);
}

/* Give up what has waited long enough; returns seconds until the next one has, or a negative number if none waits. */
static double expire(void) {
    for (double left; oldest < sent; oldest++) {
        struct request *request = &requests[oldest];
        if (request->fate != WAITING) continue;
        if ((left = request->sent_at + patience - clock_now()) > 0) return left;
        request->fate = LOST;
        request->client->waiting--;
        lost++;
        fill(request->client, total);
    }
    return -1;
}

/* Seconds until something is to be done, whatever the replies do; a negative number when all is done. */
static double next(void) {
    double left = expire(), until = fmax(due_at(sent) - clock_now(), 0.001); /* what is due may wait for a place */
    if (rate <= 0 || sent == total) return left;
    return left < 0 || until < left ? until : left;
}

static void run(void) {
    double left;
    while ((left = next()) >= 0) {
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, (int)ceil(left * 1000));
        for (int i = 0; i < ready; i++) receive(events[i].data.ptr);
        for (int i = 0; rate > 0 && i < count; i++) fill(&clients[i], total);
    }
}

static int ascending(const void *a, const void *b) {
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

static double quantile(double fraction) {
    long replies = answered + late, rank = (long)ceil(fraction * replies);
    return replies ? latencies[rank > 0 ? rank - 1 : 0] * 1000 : 0;
}

static double mean(void) {
    double sum = 0;
    for (long i = 0; i < answered + late; i++) sum += latencies[i];
    return answered + late ? sum / (answered + late) * 1000 : 0;
}

static int number(const char *text, int least, int most) {
    int value = atoi(text);
    if (value >= least && value <= most) return value;
    fprintf(stderr, "ask: %s is not in %d..%d\n", text, least, most);
    exit(2);
}

int main(int argc, char **arguments) {
    if (argc != 7 && (argc != 9 || (strcmp(arguments[8], "closed") && strcmp(arguments[8], "open"))))
        return fputs("ask PORT CLIENTS IN_FLIGHT REQUESTS SIZE WAIT [RATE closed|open]\n", stderr), 2;
    int port = number(arguments[1], 1, 65535);
    count = number(arguments[2], 1, 1000);
    in_flight = number(arguments[3], 1, 100000);
    total = number(arguments[4], 1, MOST);
    size = number(arguments[5], sizeof(uint32_t), LARGEST);
    patience = atof(arguments[6]);
    if (!(patience > 0 && patience <= 60)) return fputs("ask: WAIT is 0 to 60\n", stderr), 2;
    if (argc == 9) {
        rate = number(arguments[7], 1, 100000);
        open_loop = !strcmp(arguments[8], "open");
    }
    clients = calloc(count, sizeof *clients);
    requests = calloc(total, sizeof *requests);
    latencies = calloc(total, sizeof *latencies);
    if (!clients || !requests || !latencies) fail("calloc");
    if ((poller = epoll_create1(0)) < 0) fail("epoll_create1");
    for (int i = 0; i < count; i++) open_client(&clients[i], port);
    start = clock_now();
    for (int i = 0; i < count; i++) fill(&clients[i], (total + i) / count);
    run();
    double seconds = clock_now() - start;
    qsort(latencies, answered + late, sizeof *latencies, ascending);
    printf("{\"sent\": %u, \"answered\": %ld, \"late\": %ld, \"lost\": %ld, ", sent, answered, late, lost);
    printf("\"duplicates\": %ld, \"unrelated\": %ld, \"seconds\": %.6f, ", duplicates, unrelated, seconds);
    printf("\"replies_per_second\": %.6f, ", (answered + late) / seconds);
    printf("\"latency_ms\": {\"min\": %.6f, \"mean\": %.6f, ", quantile(0), mean());
    printf("\"p50\": %.6f, \"p90\": %.6f, ", quantile(0.5), quantile(0.9));
    printf("\"p99\": %.6f, \"max\": %.6f}}\n", quantile(0.99), quantile(1));
}
