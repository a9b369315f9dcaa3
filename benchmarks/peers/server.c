/* The server that all checkers are measured against: accepts everything, answers whoever asks, counts.

   server PORT FILE: listens on PORT of all IPv4 addresses. The first 8 bytes of FILE are the number of connections
   accepted so far, native byte order. Ends with its parent. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char ANSWER[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nConnection: close\r\n\r\nstatus: OK\r\n";

static int listener(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = INADDR_ANY};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) || listen(fd, 4096))
        exit(1);
    return fd;
}

static void accept_all(int queue, int from, uint64_t *count)
{
    int fd;
    while ((fd = accept4(from, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        ++*count;
        epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    int file = open(argv[2], O_RDWR | O_CREAT, 0600), queue = epoll_create1(0), from = listener(atoi(argv[1]));
    if (file < 0 || ftruncate(file, sizeof(uint64_t)))
        return 1;
    uint64_t *count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    struct epoll_event ready[256], mine = {.events = EPOLLIN, .data.fd = from};
    epoll_ctl(queue, EPOLL_CTL_ADD, from, &mine);
    for (;;) {
        int found = epoll_wait(queue, ready, 256, -1);
        for (int i = 0; i < found; i++) {
            char request[4096];
            int fd = ready[i].data.fd;
            if (fd == from) {
                accept_all(queue, from, count);
                continue;
            }
            if (recv(fd, request, sizeof request, 0) > 0 && send(fd, ANSWER, sizeof ANSWER - 1, 0) < 0) {
            }
            close(fd);
        }
    }
}
