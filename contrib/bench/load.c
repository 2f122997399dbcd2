/*
 * The benchmark's client for whole bodies: N threads fetch paths over kept connections and throw
 * the bytes away in the kernel (MSG_TRUNC), so that the server is measured and not a copy.
 *
 * usage: load PORT CLIENTS SECONDS LENGTH <paths
 *
 * Each line of standard input is a path; each client takes the next one. With SECONDS 0 every path
 * is fetched once; else the list is repeated, and no request begins after that time. An answer that
 * is not a 200 with a body of LENGTH bytes ends the program with status 1.
 *
 * Prints: seconds answers bytes first_median first_worst
 * "First" is from before the request (and the connect, if there is one) to the body's first byte,
 * in seconds.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRSTS 65536 /* how many times to the first byte are kept */
#define SILENCE 120  /* seconds without a byte that end the program */

static struct sockaddr_in server;
static double seconds, began;
static long long length;
static char **paths;
static long path_count;
static atomic_long next_path, answers;
static double firsts[FIRSTS];
static pthread_barrier_t start;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *path, const char *why)
{
	fprintf(stderr, "load: %s: %s\n", path, why);
	_exit(1);
}

static int dial(void)
{
	int one = 1, s = socket(AF_INET, SOCK_STREAM, 0);
	struct timeval silence = {.tv_sec = SILENCE};
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(s, (struct sockaddr *)&server, sizeof server) < 0)
		fail("connect", "refused");
	return s;
}

/* Fetches one path. Returns the socket, or -1 if the server will not keep it. */
static int fetch(int s, const char *path)
{
	char head[8192], *end = NULL;
	size_t got = 0;
	long long body;
	double asked = now(), first;
	int kept, n;

	if (s < 0)
		s = dial();
	n = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: bench.example\r\n\r\n", path);
	if (send(s, head, n, MSG_NOSIGNAL) != n)
		fail(path, "could not send");
	while (!end) {
		ssize_t r = recv(s, head + got, sizeof head - 1 - got, 0);
		if (r <= 0)
			fail(path, "no head");
		got += r;
		head[got] = 0;
		end = strstr(head, "\r\n\r\n");
	}
	if (strncmp(head + 8, " 200", 4))
		fail(path, "not 200");
	body = got - (end + 4 - head);
	first = body ? now() : 0;
	kept = !strncmp(head, "HTTP/1.1", 8) && !strcasestr(head, "\r\nConnection: close");
	while (body < length) {
		ssize_t r = recv(s, NULL, 1 << 20, MSG_TRUNC);
		if (r <= 0)
			fail(path, "cut short");
		if (first == 0)
			first = now();
		body += r;
	}
	if (body != length)
		fail(path, "longer than expected");
	long answer = atomic_fetch_add(&answers, 1);
	if (answer < FIRSTS)
		firsts[answer] = first - asked;
	if (kept)
		return s;
	close(s);
	return -1;
}

static void *client(void *unused)
{
	int s = -1;
	pthread_barrier_wait(&start);
	for (;;) {
		long i = atomic_fetch_add(&next_path, 1);
		if (seconds > 0 ? now() - began >= seconds : i >= path_count)
			return unused;
		s = fetch(s, paths[i % path_count]);
	}
}

static void read_paths(void)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	while ((n = getline(&line, &room, stdin)) > 0) {
		line[strcspn(line, "\n")] = 0;
		paths = realloc(paths, (path_count + 1) * sizeof *paths);
		paths[path_count++] = strdup(line);
	}
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fputs("usage: load PORT CLIENTS SECONDS LENGTH <paths\n", stderr);
		return 2;
	}
	int clients = atoi(argv[2]);
	pthread_t threads[clients];
	server.sin_family = AF_INET;
	server.sin_port = htons(atoi(argv[1]));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	seconds = atof(argv[3]);
	length = atoll(argv[4]);
	read_paths();
	if (!path_count)
		fail("standard input", "names no path");
	pthread_barrier_init(&start, NULL, clients + 1);
	for (int i = 0; i < clients; i++)
		pthread_create(&threads[i], NULL, client, NULL);
	began = now();
	pthread_barrier_wait(&start);
	for (int i = 0; i < clients; i++)
		pthread_join(threads[i], NULL);
	double took = now() - began;
	long kept = answers < FIRSTS ? answers : FIRSTS;
	qsort(firsts, kept, sizeof *firsts, ascending);
	printf("%.6f %ld %lld %.6f %.6f\n", took, (long)answers, answers * length,
	       firsts[kept / 2], firsts[kept - 1]);
	return 0;
}
