/* A stand-in for NVIDIA's management library that replays recorded power.
 *
 * The boards and their traces are read from the text file named by LOWTIDE_FAKE_NVML, the clock and the faults from
 * the binary file named by LOWTIDE_FAKE_NVML_CONTROL, which is mapped and may change at any time. Layouts: see
 * lowtide/testing/fake_nvml/__init__.py. Like a real board it renews its power every update period, averages it over a
 * window that may be shorter (then it misses the rest of the time), and its gain is off by a constant factor.
 *
 * Build: cc -O2 -shared -fPIC -Wl,-soname,libnvidia-ml.so.1 -o libnvidia-ml.so.1 nvml.c
 */
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { OK = 0, UNINITIALIZED = 1, BAD_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, NO_DRIVER = 9 };
enum { MAX_BOARDS = 64, MAX_PIDS = 8, MAX_TEXT = 96 };
enum { FAIL_HANDLE = 1, FAIL_ENERGY = 2, FAIL_POWER = 4, FAIL_PIDS = 8 };
enum { HAS_AVERAGE = 1, HAS_INSTANT = 2, HAS_USAGE = 4 };

typedef struct { int32_t error, where, n_pids, padding; int64_t reset_us; uint32_t pids[MAX_PIDS], sm[MAX_PIDS]; } Fault;
typedef struct { int64_t now_us, start_us; int32_t init_error, padding; Fault faults[MAX_BOARDS]; } Control;
typedef struct {
  char uuid[MAX_TEXT], name[MAX_TEXT], mig[MAX_TEXT];
  int index, minor, architecture, fields, n; /* minor: -1 is not known */
  double gain;
  int64_t counter_us, update_us, instant_us, usage_us, *t_us;
  double *mw, *mj; /* power from t_us[i] on, energy until t_us[i] */
} Board;

static Board boards[MAX_BOARDS];
static int n_boards, n_users;
static Control *control;

static int64_t now_us(void) {
  struct timespec t;
  if (control->now_us >= 0) return control->now_us;
  clock_gettime(CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 - control->start_us;
}

static double energy_mj(const Board *b, int64_t t) { /* exact energy from the trace's begin until t */
  int low = 0, high = b->n - 1;
  if (t <= b->t_us[0]) return b->mw[0] * (double)(t - b->t_us[0]) / 1e6;
  while (low < high) {
    int middle = (low + high + 1) / 2;
    if (b->t_us[middle] <= t) low = middle; else high = middle - 1;
  }
  return b->mj[low] + b->mw[low] * (double)(t - b->t_us[low]) / 1e6;
}

static unsigned mean_mw(const Board *b, int64_t window_us) { /* what the sensor showed when it was last renewed */
  int64_t t = now_us(), end = t - ((t % b->update_us) + b->update_us) % b->update_us;
  double mean = (energy_mj(b, end) - energy_mj(b, end - window_us)) * 1e6 / (double)window_us;
  return (unsigned)llround(mean * b->gain);
}

static int load(void) {
  const char *path = getenv("LOWTIDE_FAKE_NVML"), *shared = getenv("LOWTIDE_FAKE_NVML_CONTROL");
  FILE *file = path ? fopen(path, "r") : NULL;
  int fd = shared ? open(shared, O_RDONLY) : -1, i;
  if (!file || fd < 0) return NO_DRIVER;
  control = mmap(NULL, sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (control == MAP_FAILED) return NO_DRIVER;
  for (n_boards = 0; n_boards < MAX_BOARDS; n_boards++) {
    Board *b = &boards[n_boards];
    if (fscanf(file, "%95s %95s %95s %d %d %d %lf %ld %ld %ld %ld %d", b->uuid, b->name, b->mig, &b->minor,
               &b->architecture, &b->fields, &b->gain, &b->counter_us, &b->update_us, &b->instant_us, &b->usage_us, &b->n) != 12) break;
    for (char *c = b->name; *c; c++) if (*c == '_') *c = ' ';
    b->index = n_boards;
    b->t_us = realloc(b->t_us, sizeof(int64_t) * (size_t)b->n);
    b->mw = realloc(b->mw, sizeof(double) * (size_t)b->n);
    b->mj = realloc(b->mj, sizeof(double) * (size_t)b->n);
    for (i = 0; i < b->n; i++) {
      if (fscanf(file, "%ld %lf", &b->t_us[i], &b->mw[i]) != 2) { fclose(file); return NO_DRIVER; }
      b->mj[i] = i ? b->mj[i - 1] + b->mw[i - 1] * (double)(b->t_us[i] - b->t_us[i - 1]) / 1e6 : 0.0;
    }
  }
  fclose(file);
  return control->init_error;
}

int nvmlInitWithFlags(unsigned flags) {
  int status = n_users ? control->init_error : load();
  (void)flags;
  if (status == OK) n_users++;
  return status;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) {
  if (!n_users) return UNINITIALIZED;
  if (--n_users == 0) { munmap(control, sizeof *control); control = NULL; n_boards = 0; }
  return OK;
}

const char *nvmlErrorString(int status) {
  static char text[32];
  snprintf(text, sizeof text, "stand-in error %d", status);
  return text;
}

static int ask(const Board *b, int what) { /* OK, or how a call on this board fails */
  if (!n_users) return UNINITIALIZED;
  if (b < boards || b >= boards + n_boards) return BAD_ARGUMENT;
  return control->faults[b->index].where & what ? control->faults[b->index].error : OK;
}
#define CHECK(b, what) do { int status_ = ask(b, what); if (status_ != OK) return status_; } while (0)

int nvmlDeviceGetCount_v2(unsigned *n) { if (!n_users) return UNINITIALIZED; *n = (unsigned)n_boards; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, Board **b) {
  if (!n_users) return UNINITIALIZED;
  if (i >= (unsigned)n_boards) return BAD_ARGUMENT;
  CHECK(&boards[i], FAIL_HANDLE);
  *b = &boards[i];
  return OK;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, Board **b) {
  if (!n_users) return UNINITIALIZED;
  for (int i = 0; i < n_boards; i++)
    if (!strcmp(uuid, boards[i].uuid) || !strcmp(uuid, boards[i].mig)) { *b = &boards[i]; return OK; }
  return NOT_FOUND;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Board *mig, Board **b) { *b = mig; return ask(mig, FAIL_HANDLE); }
int nvmlDeviceGetUUID(Board *b, char *text, unsigned n) { CHECK(b, FAIL_HANDLE); snprintf(text, n, "%s", b->uuid); return OK; }
int nvmlDeviceGetMinorNumber(Board *b, unsigned *minor) {
  CHECK(b, FAIL_HANDLE);
  if (b->minor < 0) return NOT_SUPPORTED;
  *minor = (unsigned)b->minor;
  return OK;
}
int nvmlDeviceGetName(Board *b, char *text, unsigned n) { CHECK(b, FAIL_HANDLE); snprintf(text, n, "%s", b->name); return OK; }
int nvmlDeviceGetArchitecture(Board *b, unsigned *a) { CHECK(b, FAIL_HANDLE); *a = (unsigned)b->architecture; return OK; }

int nvmlDeviceGetTotalEnergyConsumption(Board *b, unsigned long long *mj) {
  CHECK(b, FAIL_ENERGY);
  if (b->counter_us <= 0) return NOT_SUPPORTED;
  int64_t t = now_us(), seen = t - ((t % b->counter_us) + b->counter_us) % b->counter_us;
  double since = energy_mj(b, control->faults[b->index].reset_us);
  double all = energy_mj(b, seen) - (control->faults[b->index].reset_us ? since : 0.0);
  *mj = all > 0.0 ? (unsigned long long)all : 0;
  return OK;
}
int nvmlDeviceGetPowerUsage(Board *b, unsigned *mw) {
  CHECK(b, FAIL_POWER);
  if (!(b->fields & HAS_USAGE)) return NOT_SUPPORTED;
  *mw = mean_mw(b, b->usage_us);
  return OK;
}

typedef struct { unsigned id, scope; long long stamp, latency; int type, status; union { unsigned ui; double d; long long ll; } value; } Field;
int nvmlDeviceGetFieldValues(Board *b, int n, Field *fields) {
  CHECK(b, FAIL_POWER);
  for (int i = 0; i < n; i++) {
    int has = fields[i].id == 185 ? HAS_AVERAGE : fields[i].id == 186 ? HAS_INSTANT : 0;
    fields[i].status = has && fields[i].scope == 0 && (b->fields & has) ? OK : NOT_SUPPORTED;
    fields[i].type = 1;
    if (fields[i].status == OK) fields[i].value.ui = mean_mw(b, has == HAS_AVERAGE ? 1000000 : b->instant_us);
  }
  return OK;
}

typedef struct { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; } Process;
int nvmlDeviceGetComputeRunningProcesses_v3(Board *b, unsigned *n, Process *processes) {
  CHECK(b, FAIL_PIDS);
  const Fault *f = &control->faults[b->index];
  unsigned n_given = *n;
  *n = (unsigned)f->n_pids;
  if (n_given < *n || (!processes && *n)) return TOO_SMALL;
  for (unsigned i = 0; i < *n; i++) processes[i] = (Process){f->pids[i], 1u << 30, 0xffffffffu, 0xffffffffu};
  return OK;
}
typedef struct { unsigned pid; unsigned long long stamp_us; unsigned sm, memory, encoder, decoder; } Sample;
int nvmlDeviceGetProcessUtilization(Board *b, Sample *samples, unsigned *n, unsigned long long last_us) {
  CHECK(b, FAIL_PIDS);
  const Fault *f = &control->faults[b->index];
  unsigned n_given = *n;
  (void)last_us;
  *n = (unsigned)f->n_pids;
  if (!*n) return NOT_FOUND;
  if (!samples || n_given < *n) return TOO_SMALL;
  for (unsigned i = 0; i < *n; i++) samples[i] = (Sample){f->pids[i], (unsigned long long)now_us(), f->sm[i], 0, 0, 0};
  return OK;
}
