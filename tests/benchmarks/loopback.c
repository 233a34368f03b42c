/* A provider that costs next to nothing: HTTP/1.1 with keep-alive on loopback, one thread, epoll, canned answers.
 *
 *     loopback FOLDER        prints its port, serves until its standard input is closed
 *
 * FOLDER/index has a line for each answer: end of the path, model, 0 or 1 (a stream is asked for), file, with tabs
 * between; the file is the whole HTTP answer. What is in no line is answered with 404 and told on standard error.
 * GET /served answers how many requests were served.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWERS = 1024, EVENTS = 512, ROOM = 16384 };

struct answer {
    char tail[64], model[128];
    int stream;
    char *bytes;
    size_t size;
};

struct connection {
    int fd, waits;              /* waits: for room to write */
    char *in;
    size_t length, capacity;
    const char *out;
    size_t left;
    char own[256];              /* a small answer made for this connection */
};

static struct answer answers[ANSWERS];
static int answer_count, poller;
static unsigned long served;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void *need(void *memory) {
    if (!memory) die("memory");
    return memory;
}

static void read_file(struct answer *answer, const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    fseek(file, 0, SEEK_END);
    answer->size = (size_t)ftell(file);
    rewind(file);
    answer->bytes = need(malloc(answer->size + 1));
    if (fread(answer->bytes, 1, answer->size, file) != answer->size) die(path);
    fclose(file);
}

static void read_index(const char *folder) {
    char path[4096], name[256];
    snprintf(path, sizeof path, "%s/index", folder);
    FILE *file = fopen(path, "r");
    if (!file) die(path);
    struct answer *next = answers;
    while (answer_count < ANSWERS
           && fscanf(file, "%63[^\t]\t%127[^\t]\t%d\t%255[^\n]\n", next->tail, next->model, &next->stream, name) == 4) {
        read_file(next++, folder, name);
        answer_count++;
    }
    fclose(file);
}

/* The value of a key at any depth, from `body` on; the answers' index keeps its names out of the requests' texts. */
static const char *value_of(const char *body, size_t size, const char *quoted) {
    const char *found = memmem(body, size, quoted, strlen(quoted)), *end = body + size;
    if (!found) return NULL;
    for (found += strlen(quoted); found < end && (*found == ':' || *found == ' '); found++) {}
    return found;
}

static int wants_stream(const char *body, size_t size) {
    const char *found = body, *end = body + size;
    while ((found = value_of(found, (size_t)(end - found), "\"stream\"")))
        if (end - found >= 4 && !memcmp(found, "true", 4)) return 1;
    return 0;
}

static const struct answer *choose(const char *path, size_t path_size, const char *body, size_t size) {
    const char *model = value_of(body, size, "\"model\""), *end = body + size;
    if (!model || model >= end || *model++ != '"') return NULL;
    const char *quote = memchr(model, '"', (size_t)(end - model));
    if (!quote) return NULL;
    size_t length = (size_t)(quote - model);
    int stream = wants_stream(body, size);
    for (int i = 0; i < answer_count; i++) {
        const struct answer *one = &answers[i];
        size_t tail = strlen(one->tail);
        if (one->stream == stream && strlen(one->model) == length && !memcmp(one->model, model, length)
            && path_size >= tail && !memcmp(path + path_size - tail, one->tail, tail))
            return one;
    }
    fprintf(stderr, "no answer for %.*s, model %.*s, stream %d\n", (int)path_size, path, (int)length, model, stream);
    return NULL;
}

static void watch(struct connection *link, int waits) {
    if (link->waits == waits) return;
    link->waits = waits;
    struct epoll_event event = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = link};
    epoll_ctl(poller, EPOLL_CTL_MOD, link->fd, &event);
}

/* Write what is left; -1: the client is gone. */
static int flush(struct connection *link) {
    while (link->left) {
        ssize_t sent = send(link->fd, link->out, link->left, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno != EAGAIN) return -1;
        if (sent < 0) break;
        link->out += sent;
        link->left -= (size_t)sent;
    }
    watch(link, link->left > 0);
    return 0;
}

static void say(struct connection *link, const char *status, const char *text) {
    link->left = (size_t)snprintf(link->own, sizeof link->own,
        "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s", status, strlen(text), text);
    link->out = link->own;
}

/* Answer one request, if it is there: 1 done, 0 there is no whole one, -1 close the connection. */
static int serve(struct connection *link) {
    char *head_end = link->left ? NULL : memmem(link->in, link->length, "\r\n\r\n", 4);
    if (!head_end) return 0;
    *head_end = 0;
    const char *length = strcasestr(link->in, "\ncontent-length:");
    int chunked = strcasestr(link->in, "\ntransfer-encoding:") != NULL;
    size_t size = length ? strtoul(length + 16, NULL, 10) : 0, head = (size_t)(head_end - link->in) + 4;
    *head_end = '\r';
    if (link->length < head + size) return 0;
    char *path = memchr(link->in, ' ', head), *space = path ? memchr(path + 1, ' ', head - (size_t)(path - link->in) - 1) : NULL;
    if (!space) return -1;
    path++;
    char *query = memchr(path, '?', (size_t)(space - path));
    size_t path_size = (size_t)((query ? query : space) - path);
    const struct answer *answer;
    if (chunked) {
        say(link, "411 Length Required", "{}");
    } else if (path_size == 7 && !memcmp(path, "/served", 7)) {
        char number[32];
        snprintf(number, sizeof number, "%lu", served);
        say(link, "200 OK", number);
    } else if ((answer = choose(path, path_size, link->in + head, size))) {
        served++;
        link->out = answer->bytes;
        link->left = answer->size;
    } else {
        say(link, "404 Not Found", "{}");
    }
    link->length -= head + size;
    memmove(link->in, link->in + head + size, link->length);
    return flush(link) < 0 ? -1 : 1;
}

static void drop(struct connection *link) {
    close(link->fd);
    free(link->in);
    free(link);
}

/* Read what is there; -1: the client is gone. */
static int fill(struct connection *link) {
    for (;;) {
        if (link->capacity - link->length < ROOM / 2)
            link->in = need(realloc(link->in, (link->capacity *= 2) + 1));
        size_t room = link->capacity - link->length;
        ssize_t got = recv(link->fd, link->in + link->length, room, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return -1;
        if (got < 0) return 0;
        link->length += (size_t)got;
        link->in[link->length] = 0;
        if ((size_t)got < room) return 0;
    }
}

static void welcome(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct connection *link = need(calloc(1, sizeof *link));
        link->fd = fd;
        link->capacity = ROOM;
        link->in = need(malloc(ROOM + 1));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = link};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listen_here(void) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) die("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    read_index(arguments[1]);
    poller = epoll_create1(0);
    int listener = listen_here(), owner = STDIN_FILENO;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener}, events[EVENTS];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    event.data.ptr = &owner;
    epoll_ctl(poller, EPOLL_CTL_ADD, owner, &event);
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == &owner) return 0;
            if (events[i].data.ptr == &listener) {
                welcome(listener);
                continue;
            }
            struct connection *link = events[i].data.ptr;
            int state = (events[i].events & EPOLLOUT) ? flush(link) : 0;
            if (!state && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) state = fill(link);
            while (!state && (state = serve(link)) == 1) state = 0;
            if (state < 0) {
                drop(link);
                continue;
            }
        }
    }
}
