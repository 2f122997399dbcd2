/*
 * The limit that the benchmark compares with: the least that a server with a blocking thread per
 * connection can do. It checks nothing and must never face a network.
 *
 * usage: bare PORT DIRECTORY
 *
 * Threads accept for themselves; when the last idle one takes a connection it makes another, so
 * a new connection costs no new thread once enough exist. A small file leaves with its head in one
 * send, a larger one by sendfile.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL 16384

static int listener, root;
static atomic_int idle;

/* Answers one request; 0 when the connection is done. */
static int answer(int s, char *request)
{
	char out[512 + SMALL];
	struct stat st;
	int close_after = strstr(request, "\r\nConnection: close") != NULL;
	char *path = strchr(request, '/'), *end = path ? strchr(path, ' ') : NULL;
	int file = -1;

	if (end) {
		*end = 0;
		file = openat(root, path + 1, O_RDONLY | O_CLOEXEC);
	}
	if (file < 0 || fstat(file, &st) < 0 || !S_ISREG(st.st_mode)) {
		static const char none[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
		send(s, none, sizeof none - 1, MSG_NOSIGNAL);
		if (file >= 0)
			close(file);
		return 0;
	}
	int n = snprintf(out, 512, "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n%s\r\n",
			 (long long)st.st_size, close_after ? "Connection: close\r\n" : "");
	off_t at = 0;
	if (st.st_size <= SMALL) {
		ssize_t r = read(file, out + n, SMALL);
		if (r > 0) {
			n += r;
			at = r;
		}
	}
	int sent = send(s, out, n, MSG_NOSIGNAL | (at < st.st_size ? MSG_MORE : 0)) == n;
	while (sent && at < st.st_size)
		sent = sendfile(s, file, &at, 1 << 30) > 0;
	close(file);
	return sent && !close_after;
}

static void *serve(void *unused);

static void add_thread(void)
{
	pthread_t thread;
	pthread_attr_t small;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 << 10);
	pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
	atomic_fetch_add(&idle, 1);
	if (pthread_create(&thread, &small, serve, NULL))
		atomic_fetch_sub(&idle, 1);
}

static void *serve(void *unused)
{
	char request[4096];
	for (;;) {
		int s = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (s < 0)
			continue;
		if (atomic_fetch_sub(&idle, 1) == 1)
			add_thread();
		size_t got = 0;
		ssize_t r;
		while ((r = recv(s, request + got, sizeof request - 1 - got, 0)) > 0) {
			got += r;
			request[got] = 0;
			if (!strstr(request, "\r\n\r\n"))
				continue;
			if (!answer(s, request))
				break;
			got = 0;
		}
		close(s);
		atomic_fetch_add(&idle, 1);
	}
	return unused;
}

int main(int argc, char **argv)
{
	int one = 1;
	struct rlimit files;
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	if (argc != 3 || (root = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		fputs("usage: bare PORT DIRECTORY\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	here.sin_port = htons(atoi(argv[1]));
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (bind(listener, (struct sockaddr *)&here, sizeof here) < 0 || listen(listener, 4096) < 0) {
		perror("bare");
		return 1;
	}
	add_thread();
	for (;;)
		pause();
}
