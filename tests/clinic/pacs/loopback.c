/* Orthanc's DICOM server has no setting for the address that it listens on: every one becomes the loopback. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <string.h>
#include <sys/socket.h>

int bind(int socket_number, const struct sockaddr *address, socklen_t length) {
    static int (*real)(int, const struct sockaddr *, socklen_t);
    struct sockaddr_storage changed;
    if (!real) real = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
    if (length > sizeof changed) return real(socket_number, address, length);
    memcpy(&changed, address, length);
    if (changed.ss_family == AF_INET)
        ((struct sockaddr_in *)&changed)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else if (changed.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&changed)->sin6_addr = in6addr_loopback;
    return real(socket_number, (struct sockaddr *)&changed, length);
}
