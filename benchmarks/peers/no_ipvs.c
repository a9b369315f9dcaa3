/* Lets keepalived's checker run where the kernel has no IPVS: every message to the family "IPVS" succeeds unsent.

   Preloaded (LD_PRELOAD) into keepalived, whose calls of libnl-3 and libnl-genl-3 it answers (netlink/handlers.h has
   the numbers of the callbacks). Nothing else is touched: what is measured is keepalived's own checker. Where the
   environment has REMOVALS, the time of every message that deletes a destination is added to that file, as a double
   (CLOCK_MONOTONIC, s). */
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/ip_vs.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct nl_sock;
struct nl_msg;
typedef int (*callback)(struct nl_msg *, void *);

enum { FINISH = 1, ACK = 4, KINDS = 16 };
static callback calls[KINDS];
static void *arguments[KINDS];

int genl_connect(struct nl_sock *socket) { (void)socket; return 0; }
int genl_ctrl_resolve(struct nl_sock *socket, const char *name) { (void)socket; (void)name; return 33; }
struct nlmsghdr *nlmsg_hdr(struct nl_msg *message);

int nl_send_auto(struct nl_sock *socket, struct nl_msg *message)
{
    const struct genlmsghdr *what = NLMSG_DATA(nlmsg_hdr(message));
    const char *file = getenv("REMOVALS");
    (void)socket;
    if (file && what->cmd == IPVS_CMD_DEL_DEST) {
        struct timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        double instant = time.tv_sec + time.tv_nsec / 1e9;
        int to = open(file, O_WRONLY | O_APPEND | O_CREAT, 0600);
        if (to >= 0 && write(to, &instant, sizeof instant) == sizeof instant)
            close(to);
    }
    return 1;
}

int nl_socket_modify_cb(struct nl_sock *socket, int type, int kind, callback call, void *argument)
{
    (void)socket; (void)kind;
    if (type >= 0 && type < KINDS) {
        calls[type] = call;
        arguments[type] = argument;
    }
    return 0;
}

int nl_recvmsgs_default(struct nl_sock *socket)
{
    (void)socket;
    if (calls[ACK])
        calls[ACK](NULL, arguments[ACK]);
    if (calls[FINISH])
        calls[FINISH](NULL, arguments[FINISH]);
    return 0;
}
