/* The floor: an echo server with nothing between it and the kernel, one recvfrom and one sendto per
 * datagram.
 *
 *     echo DESCRIPTOR
 *
 * DESCRIPTOR is a bound UDP socket that the process before this one (servers.py) has opened. It ends
 * at the alarm that was set there, or with its parent.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>

int main(int argc, char **arguments) {
    static char data[65535];
    if (argc != 2 || prctl(PR_SET_PDEATHSIG, SIGKILL)) return 2;
    int descriptor = atoi(arguments[1]);
    for (;;) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        struct sockaddr *peer = (struct sockaddr *)&address;
        ssize_t size = recvfrom(descriptor, data, sizeof data, 0, peer, &length);
        if (size >= 0) sendto(descriptor, data, size, 0, peer, length);
    }
}
