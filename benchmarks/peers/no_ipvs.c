/* Lets keepalived's checker run where the kernel has no IPVS: every message to the family "IPVS" succeeds unsent.

   Preloaded (LD_PRELOAD) into keepalived, whose calls of libnl-3 and libnl-genl-3 it answers (netlink/handlers.h has
   the numbers of the callbacks). Nothing else is touched: what is measured is keepalived's own checker. */
#include <stddef.h>

struct nl_sock;
struct nl_msg;
typedef int (*callback)(struct nl_msg *, void *);

enum { FINISH = 1, ACK = 4, KINDS = 16 };
static callback calls[KINDS];
static void *arguments[KINDS];

int genl_connect(struct nl_sock *socket) { (void)socket; return 0; }
int genl_ctrl_resolve(struct nl_sock *socket, const char *name) { (void)socket; (void)name; return 33; }
int nl_send_auto(struct nl_sock *socket, struct nl_msg *message) { (void)socket; (void)message; return 1; }

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
