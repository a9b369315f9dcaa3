/* What checks cost at least: the same checks as one C program around epoll, with time-outs, rise and fall.

   epoll tcp|http TARGETS RATE PORT: checks PORT of TARGETS addresses from 127.1.0.0 up, RATE checks a second in all,
   until it is killed. One second of time-out, rise 2, fall 3; a verdict that changes is counted, nothing is printed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
static const char REQUEST[] = "GET /health HTTP/1.1\r\nHost: 127.1.0.0\r\nConnection: close\r\n\r\n";

struct target {
    struct sockaddr_in peer;
    int fd, asked, up, streak;
    int64_t deadline;
};

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static void ended(struct target *it, int passed, long *changes)
{
    struct linger reset = {1, 0};
    setsockopt(it->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(it->fd);
    it->fd = -1;
    it->streak = passed == it->up ? 0 : it->streak + 1;
    if (it->streak >= (passed ? 2 : 3)) {
        it->up = passed;
        it->streak = 0;
        ++*changes;
    }
}

static void begin(int queue, struct target *it, int64_t instant, long *changes)
{
    it->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    it->asked = 0;
    it->deadline = instant + SECOND;
    if (it->fd < 0)
        return;
    if (connect(it->fd, (struct sockaddr *)&it->peer, sizeof it->peer) && errno != EINPROGRESS) {
        ended(it, 0, changes);
        return;
    }
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = it};
    epoll_ctl(queue, EPOLL_CTL_ADD, it->fd, &event);
}

static void go_on(int queue, struct target *it, int http, long *changes)
{
    char answer[4096];
    int error = 0;
    socklen_t size = sizeof error;
    if (!it->asked) {
        getsockopt(it->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error || !http) {
            ended(it, !error, changes);
            return;
        }
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = it};
        it->asked = 1;
        send(it->fd, REQUEST, sizeof REQUEST - 1, MSG_NOSIGNAL);
        epoll_ctl(queue, EPOLL_CTL_MOD, it->fd, &event);
        return;
    }
    ssize_t got = recv(it->fd, answer, sizeof answer - 1, 0);
    answer[got > 0 ? got : 0] = 0;
    ended(it, got > 12 && !memcmp(answer + 9, "200", 3) && strstr(answer, "status: OK"), changes);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct rlimit files = {1 << 16, 1 << 16};
    setrlimit(RLIMIT_NOFILE, &files);
    int http = !strcmp(argv[1], "http"), count = atoi(argv[2]), queue = epoll_create1(0), next = 0, oldest = 0;
    int64_t step = SECOND / atoi(argv[3]), due = now();
    long changes = 0;
    struct target *targets = calloc(count, sizeof *targets);
    for (int i = 0; i < count; i++) {
        targets[i].fd = -1;
        targets[i].peer.sin_family = AF_INET;
        targets[i].peer.sin_port = htons(atoi(argv[4]));
        targets[i].peer.sin_addr.s_addr = htonl(0x7f010000u + i);
    }
    for (;;) {
        struct epoll_event ready[64];
        int64_t instant = now(), wait = (due - instant) / 1000000;
        int found = epoll_wait(queue, ready, 64, wait < 0 ? 0 : (int)wait + 1);
        for (int i = 0; i < found; i++)
            go_on(queue, ready[i].data.ptr, http, &changes);
        instant = now();
        for (; oldest < next; oldest++) { /* those that began first are over first */
            struct target *it = &targets[oldest % count];
            if (it->fd >= 0 && it->deadline > instant)
                break;
            if (it->fd >= 0)
                ended(it, 0, &changes);
        }
        for (; due <= instant; due += step, next++)
            if (targets[next % count].fd < 0)
                begin(queue, &targets[next % count], instant, &changes);
    }
}
