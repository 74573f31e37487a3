/* The clock of the benchmarks: an HTTP/1.1 server that answers any POST with an SSE stream of known times.
 *
 * usage: known_answer PORT TTFT_US GAP_US TOKENS       (0 tokens: one JSON reply of 1 KiB after TTFT_US, no stream)
 * Each content event carries, as its text, the CLOCK_REALTIME nanosecond at which it is written, taken just before
 * send(). One thread, epoll with nanosecond timeouts, a binary heap of what is due. Prints the port when it listens.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

typedef struct {
  int fd, sent, place, chat; /* place in the heap, -1 = not due; whether it asked for a chat */
  int64_t due;
  size_t head, body_left;
  char request[4096];
} Stream;

static int64_t ttft_ns, gap_ns;
static int tokens, whole; /* whole: no stream */
static Stream **heap;
static int heap_size, heap_room;
static Stream *streams[1 << 17];
static volatile sig_atomic_t stopping;
static long chats, answered; /* chats that were asked, and those that were answered to the end */

static int64_t now_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void put(int place, Stream *s) { heap[place] = s; s->place = place; }

static void sift_up(int i) {
  Stream *s = heap[i];
  for (; i > 0 && heap[(i - 1) / 2]->due > s->due; i = (i - 1) / 2) put(i, heap[(i - 1) / 2]);
  put(i, s);
}

static void sift_down(int i) {
  Stream *s = heap[i];
  for (;;) {
    int child = 2 * i + 1;
    if (child >= heap_size) break;
    if (child + 1 < heap_size && heap[child + 1]->due < heap[child]->due) child++;
    if (heap[child]->due >= s->due) break;
    put(i, heap[child]);
    i = child;
  }
  put(i, s);
}

static void schedule(Stream *s, int64_t due) {
  s->due = due;
  if (s->place < 0) {
    if (heap_size == heap_room) heap = realloc(heap, (heap_room = heap_room ? 2 * heap_room : 1024) * sizeof *heap);
    put(heap_size++, s);
    sift_up(s->place);
  } else {
    sift_down(s->place);
  }
}

static void unschedule(Stream *s) {
  if (s->place < 0) return;
  int place = s->place;
  Stream *last = heap[--heap_size];
  s->place = -1;
  if (last == s) return;
  put(place, last);
  sift_up(place);
  sift_down(last->place);
}

static void drop(Stream *s) {
  unschedule(s);
  streams[s->fd] = NULL;
  close(s->fd);
  free(s);
}

static int write_all(Stream *s, const char *data, int size) {
  return send(s->fd, data, size, MSG_NOSIGNAL) == size ? 0 : -1;
}

static void chunk(char *out, int *size, const char *payload, int length) {
  *size += sprintf(out + *size, "%x\r\n", length);
  memcpy(out + *size, payload, length);
  *size += length;
  *size += sprintf(out + *size, "\r\n");
}

/* The whole reply: a body of 1 KiB. */
static int send_whole(Stream *s) {
  static char out[2048], text[1024];
  static int size;
  if (!size) {
    const char *form = "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},"
                       "\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":32,\"completion_tokens\":100}}";
    memset(text, 'x', 1024 - (strlen(form) - 2));
    int head = sprintf(out, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1024\r\n\r\n");
    size = head + sprintf(out + head, form, text);
  }
  s->sent++;
  return send(s->fd, out, size, MSG_NOSIGNAL) != size;
}

/* One token; the last one brings finish, usage, [DONE] and the end of the message in the same write. */
static int send_token(Stream *s) {
  char event[512], out[2048];
  int size = 0;
  if (s->sent == 0)
    size = sprintf(out, "HTTP/1.1 200 OK\r\nserver: known-answer\r\ncontent-type: text/event-stream\r\n"
                        "transfer-encoding: chunked\r\n\r\n");
  int length = sprintf(event, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" %lld\"},\"finish_reason\":null}]}\n\n",
                       (long long)now_ns(CLOCK_REALTIME));
  chunk(out, &size, event, length);
  if (++s->sent == tokens) {
    length = sprintf(event, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n");
    chunk(out, &size, event, length);
    length = sprintf(event, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":32,\"completion_tokens\":%d}}\n\ndata: [DONE]\n\n", tokens);
    chunk(out, &size, event, length);
    size += sprintf(out + size, "0\r\n\r\n");
  }
  return write_all(s, out, size);
}

static void request_complete(Stream *s) {
  s->chat = !strncmp(s->request, "POST /v1/chat", 13);
  chats += s->chat;
  s->head = 0;
  s->sent = 0;
  schedule(s, now_ns(CLOCK_MONOTONIC) + ttft_ns);
}

/* Enough of HTTP for our own client: a head with Content-Length, then the body, which is not looked at. */
static int read_request(Stream *s) {
  char data[65536];
  ssize_t got = recv(s->fd, data, sizeof data, 0);
  if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
  if (s->body_left) {
    s->body_left -= (size_t)got < s->body_left ? (size_t)got : s->body_left;
    if (!s->body_left) request_complete(s);
    return 0;
  }
  size_t room = sizeof s->request - 1 - s->head, part = (size_t)got < room ? (size_t)got : room;
  memcpy(s->request + s->head, data, part);
  s->request[s->head += part] = 0;
  char *end = strstr(s->request, "\r\n\r\n");
  if (!end) return 0;
  char *length = strcasestr(s->request, "content-length:");
  size_t body = length ? strtoul(length + 15, NULL, 10) : 0;
  size_t have = s->head - (end + 4 - s->request) + ((size_t)got - part);
  s->body_left = body > have ? body - have : 0;
  if (!s->body_left) request_complete(s);
  return 0;
}

static void stop(int number) { (void)number; stopping = 1; }

int main(int count, char **words) {
  if (count != 5) return fprintf(stderr, "usage: known_answer PORT TTFT_US GAP_US TOKENS\n"), 2;
  ttft_ns = atoll(words[2]) * 1000;
  gap_ns = atoll(words[3]) * 1000;
  tokens = atoi(words[4]);
  if ((whole = !tokens)) tokens = 1;
  signal(SIGTERM, stop);
  signal(SIGINT, stop);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  setpriority(PRIO_PROCESS, 0, -10); /* a clock comes first; works as root only */

  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16384)) return perror("known_answer"), 1;
  socklen_t size = sizeof address;
  getsockname(listener, (struct sockaddr *)&address, &size);
  printf("{\"url\": \"http://127.0.0.1:%d\", \"pid\": %d}\n", ntohs(address.sin_port), getpid());
  fflush(stdout);

  int poll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[256];
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  while (!stopping) {
    int64_t wait = heap_size ? heap[0]->due - now_ns(CLOCK_MONOTONIC) : 1000000000LL;
    if (wait < 0) wait = 0;
    struct timespec timeout = {wait / 1000000000LL, wait % 1000000000LL};
    int many = epoll_pwait2(poll, ready, 256, &timeout, NULL);
    for (int i = 0; i < many; i++) {
      if (ready[i].data.fd == listener) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0) continue;
        if (fd >= 1 << 17) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        Stream *s = streams[fd] = calloc(1, sizeof *s);
        s->fd = fd;
        s->place = -1;
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e);
      } else if (streams[ready[i].data.fd] && read_request(streams[ready[i].data.fd])) {
        drop(streams[ready[i].data.fd]);
      }
    }
    for (int64_t now = now_ns(CLOCK_MONOTONIC); heap_size && heap[0]->due <= now;) {
      Stream *s = heap[0];
      if (whole ? send_whole(s) : send_token(s)) drop(s);
      else if (s->sent == tokens) answered += s->chat, unschedule(s);
      else schedule(s, s->due + gap_ns);
    }
  }
  printf("{\"chats\": %ld, \"answered\": %ld}\n", chats, answered);
  return 0;
}
