/* A client that costs next to nothing: HTTP/1.1 with keep-alive on loopback, one thread, epoll.
 *
 *     load PORT CONNECTIONS SECONDS FILE MARK
 *
 * Every connection sends FILE, which is a whole HTTP request, reads the answer to its end, and begins again. After
 * SECONDS, and once each connection has had an answer, it prints one line of JSON: `answers` that were whole, had
 * status 200 and MARK in their bodies, `wrong` ones and what the first of those was, `seconds` from the first request
 * to the last answer, and `p50`, `p99` and `most` in milliseconds. An answer that takes longer than LONGEST ends it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, ROOM = 65536, LONGEST = 60 };

struct connection {
    int fd, chunked;
    char *in;
    size_t length, capacity, head, size;   /* head: bytes of it, 0 while it is not whole; size: of the body */
    size_t at;                             /* chunked: where the next chunk begins */
    double sent;
    unsigned long answers;
};

static int poller, port;
static char *request;
static size_t request_size;
static const char *mark;
static double *times, latest;
static size_t time_count, time_room;
static unsigned long wrong;
static char first_wrong[400];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void *need(void *memory) {
    if (!memory) die("memory");
    return memory;
}

static double now(void) {
    struct timespec clock;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    return (double)clock.tv_sec + (double)clock.tv_nsec / 1e9;
}

static void read_request(const char *name) {
    FILE *file = fopen(name, "rb");
    if (!file) die(name);
    fseek(file, 0, SEEK_END);
    request_size = (size_t)ftell(file);
    rewind(file);
    request = need(malloc(request_size));
    if (fread(request, 1, request_size, file) != request_size) die(name);
    fclose(file);
}

/* The request is small against a socket's buffer: it goes in one piece, or the server does not read. */
static void ask(struct connection *link) {
    link->length = link->head = link->size = link->at = 0;
    link->chunked = 0;
    link->sent = now();
    if (send(link->fd, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size) die("send");
}

static void open_link(struct connection *link) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    link->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(link->fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = link};
    epoll_ctl(poller, EPOLL_CTL_ADD, link->fd, &event);
    ask(link);
}

/* Whether the answer is whole. The chunks' frames stay in the body: the mark lies within one of them. */
static int whole(struct connection *link) {
    if (!link->head) {
        char *end = memmem(link->in, link->length, "\r\n\r\n", 4);
        if (!end) return 0;
        *end = 0;
        const char *length = strcasestr(link->in, "\ncontent-length:");
        link->chunked = strcasestr(link->in, "\ntransfer-encoding: chunked") != NULL;
        link->size = length ? strtoul(length + 16, NULL, 10) : 0;
        link->head = link->at = (size_t)(end - link->in) + 4;
        *end = '\r';
    }
    if (!link->chunked) return link->length >= link->head + link->size;
    while (link->at < link->length) {
        char *line = link->in + link->at, *end = memmem(line, link->length - link->at, "\r\n", 2);
        if (!end) return 0;
        size_t size = strtoul(line, NULL, 16), next = (size_t)(end - link->in) + 2 + size + 2;
        if (link->length < next) return 0;
        link->at = next;
        if (!size) return 1;
    }
    return 0;
}

static void note(struct connection *link) {
    latest = now();
    if (link->length < 12 || memcmp(link->in + 9, "200", 3)
        || !memmem(link->in + link->head, link->length - link->head, mark, strlen(mark))) {
        if (!wrong++) snprintf(first_wrong, sizeof first_wrong, "%s", link->in);
        return;
    }
    if (time_count == time_room) times = need(realloc(times, (time_room = time_room ? 2 * time_room : 4096) * sizeof *times));
    times[time_count++] = latest - link->sent;
}

/* Read what is there; 1: an answer was completed, -1: the connection was closed. */
static int take(struct connection *link) {
    if (link->capacity - link->length < ROOM) link->in = need(realloc(link->in, (link->capacity += 4 * ROOM) + 1));
    ssize_t got = recv(link->fd, link->in + link->length, link->capacity - link->length, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (got <= 0) return -1;
    link->length += (size_t)got;
    link->in[link->length] = 0;
    if (!whole(link)) return 0;
    note(link);
    link->answers++;
    return 1;
}

static int compare(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double share(double part) {
    return time_count ? 1e3 * times[(size_t)(part * (double)(time_count - 1))] : 0;
}

static void tell(double began) {
    qsort(times, time_count, sizeof *times, compare);
    printf("{\"answers\": %zu, \"wrong\": %lu, \"seconds\": %.6f, \"p50\": %.4f, \"p99\": %.4f, \"most\": %.4f, \"first_wrong\": \"",
        time_count, wrong, latest - began, share(0.5), share(0.99), share(1));
    for (const char *one = first_wrong; *one; one++)
        if (*one >= ' ' && *one != '"' && *one != '\\' && *one != 127) putchar(*one);
        else putchar(' ');
    puts("\"}");
}

int main(int count, char **arguments) {
    if (count != 6) return 2;
    port = atoi(arguments[1]);
    int links = atoi(arguments[2]);
    double seconds = atof(arguments[3]);
    read_request(arguments[4]);
    mark = arguments[5];
    poller = epoll_create1(0);
    struct connection *all = need(calloc((size_t)links, sizeof *all));
    double began = latest = now();
    int waiting = links;
    for (int i = 0; i < links; i++) open_link(&all[i]);
    struct epoll_event events[EVENTS];
    while (waiting || now() - began < seconds) {
        int ready = epoll_wait(poller, events, EVENTS, 1000);
        if (now() - latest > LONGEST) break;
        for (int i = 0; i < ready; i++) {
            struct connection *link = events[i].data.ptr;
            int state = take(link);
            if (state < 0) {
                if (!wrong++) snprintf(first_wrong, sizeof first_wrong, "the connection was closed");
                latest = now();
                close(link->fd);
                open_link(link);
            } else if (state) {
                waiting -= link->answers == 1;
                ask(link);
            }
        }
    }
    tell(began);
    return 0;
}
