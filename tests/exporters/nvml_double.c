/* A stand-in for libnvidia-ml.so.1, built by the tests against NVIDIA's own nvml.h.
 *
 * What it answers is in the file named by NVML_DOUBLE, which a test may replace while it runs (renamed over, so that it
 * is never read in halves): lines of "<gpu or *> <key> <value>", the last one that fits wins. Keys are those asked for
 * below, and for every function:  error.<function> <nvmlReturn_t>,  sleep.<function> <milliseconds>.
 * `* count N` is how many GPUs there are. `G lost 1` loses a GPU: its handle then stays lost, even when the file takes
 * that back, until NVML is shut down and opened again. Power is power_w + swing_w * sin(2 pi t / swing_s) over
 * CLOCK_MONOTONIC, and the energy counter is its exact integral. -DOLD_DRIVER leaves out what drivers before 510 lack.
 */
#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "nvml.h"

enum { GPUS = 32, SLICES = 8, LINES = 512 };
#define MILLION 1000000LL

struct nvmlDevice_st { int gpu, slice, lost; };
struct nvmlEventSet_st { int watched[GPUS]; long long seen[GPUS]; };

static struct { int gpu; char key[64]; double value; } lines[LINES];
static int line_count, is_open;
static long long loaded_at;
static struct timespec changed;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct nvmlDevice_st devices[GPUS][SLICES + 1]; /* [gpu][0] is the GPU itself */

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void load(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    long long now = t.tv_sec * 1000LL + t.tv_nsec / MILLION;
    if (loaded_at && now - loaded_at < 20) return; /* looked at 50 times a second at most: the double costs little */
    loaded_at = now;
    struct stat found;
    const char *path = getenv("NVML_DOUBLE");
    if (!path || stat(path, &found)) { line_count = 0; return; }
    if (found.st_mtim.tv_sec == changed.tv_sec && found.st_mtim.tv_nsec == changed.tv_nsec) return;
    changed = found.st_mtim;
    FILE *file = fopen(path, "r");
    if (!file) { line_count = 0; return; }
    char who[16], text[200];
    line_count = 0;
    while (line_count < LINES && fgets(text, sizeof text, file))
        if (sscanf(text, "%15s %63s %lf", who, lines[line_count].key, &lines[line_count].value) == 3)
            lines[line_count++].gpu = who[0] == '*' ? -1 : atoi(who);
    fclose(file);
}

static double told(int gpu, const char *key, double otherwise)
{
    pthread_mutex_lock(&mutex);
    load();
    double value = otherwise;
    for (int i = line_count - 1; i >= 0; i--)
        if ((lines[i].gpu == gpu || lines[i].gpu == -1) && !strcmp(lines[i].key, key)) { value = lines[i].value; break; }
    pthread_mutex_unlock(&mutex);
    return value;
}

static nvmlReturn_t enter(const char *function, int gpu)
{
    char key[64];
    snprintf(key, sizeof key, "sleep.%s", function);
    double ms = told(gpu, key, 0);
    if (ms > 0) usleep((useconds_t)(ms * 1000));
    snprintf(key, sizeof key, "error.%s", function);
    nvmlReturn_t error = (nvmlReturn_t)told(gpu, key, 0);
    return error ? error : is_open ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
}

static nvmlReturn_t enter_device(const char *function, nvmlDevice_t device)
{
    if (!device) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t error = enter(function, device->gpu);
    if (error) return error;
    if (told(device->gpu, "lost", 0)) device->lost = 1;
    return device->lost ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
}

#define DEVICE(device) do { nvmlReturn_t e_ = enter_device(__func__, device); if (e_) return e_; } while (0)
#define GPU_ONLY(device) do { DEVICE(device); if ((device)->slice) return NVML_ERROR_NOT_SUPPORTED; } while (0)
#define SIMPLE(function, type, key, otherwise)                                                                        \
    nvmlReturn_t function(nvmlDevice_t device, type *value)                                                           \
    { GPU_ONLY(device); *value = (type)told(device->gpu, key, otherwise); return NVML_SUCCESS; }

nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
    (void)flags;
    nvmlReturn_t error = (nvmlReturn_t)told(-1, "error.nvmlInit", 0);
    if (error) return error;
    is_open++;
    if (is_open == 1)
        for (int gpu = 0; gpu < GPUS; gpu++)
            for (int slice = 0; slice <= SLICES; slice++) devices[gpu][slice] = (struct nvmlDevice_st){gpu, slice, 0};
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlShutdown(void) { if (!is_open) return NVML_ERROR_UNINITIALIZED; is_open--; return NVML_SUCCESS; }
nvmlReturn_t nvmlSystemGetDriverVersion(char *text, unsigned int length)
{ snprintf(text, length, "580.95.05"); return enter(__func__, -1); }
nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char *text, unsigned int length)
{
    nvmlReturn_t error = enter(__func__, -1);
    if (error) return error;
    snprintf(text, length, "/opt/venv/bin/engine\"\\%u --api-key=secret", pid);
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{ *count = (unsigned int)told(-1, "count", 1); return enter(__func__, -1); }
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    if (index >= (unsigned int)told(-1, "count", 1)) return NVML_ERROR_INVALID_ARGUMENT;
    *device = &devices[index][0];
    DEVICE(*device);
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *text, unsigned int length)
{
    DEVICE(device);
    if (device->slice) snprintf(text, length, "MIG-%08d-%d", device->gpu, device->slice);
    else snprintf(text, length, "GPU-%08d-0000-0000-0000-000000000000", device->gpu);
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *text, unsigned int length)
{
    DEVICE(device);
    snprintf(text, length, device->slice ? "NVIDIA Double MIG 1g.10gb" : "NVIDIA Double");
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    GPU_ONLY(device);
    memset(pci, 0, sizeof *pci);
    snprintf(pci->busId, sizeof pci->busId, "00000000:%02x:1a.0", device->gpu);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates)
{
    GPU_ONLY(device);
    rates->gpu = (unsigned int)told(device->gpu, "util", 42);
    rates->memory = (unsigned int)told(device->gpu, "mem_util", 17);
    return NVML_SUCCESS;
}
static double memory_used(nvmlDevice_t device) { return told(device->gpu, "used_mib", 1000) / (device->slice ? 10 : 1) * 1048576; }
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    DEVICE(device);
    memory->total = 81920ULL << 20;
    memory->used = (unsigned long long)memory_used(device) + (512ULL << 20);
    memory->free = memory->total - memory->used;
    return NVML_SUCCESS;
}
static double power_w(int gpu) 
{
    double swing = told(gpu, "swing_w", 0), period = told(gpu, "swing_s", 1);
    return told(gpu, "power_w", 100) + swing * sin(2 * M_PI * now_s() / period);
}
nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *milliwatts)
{ GPU_ONLY(device); *milliwatts = (unsigned int)(power_w(device->gpu) * 1000); return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetPowerManagementLimit(nvmlDevice_t device, unsigned int *milliwatts)
{ GPU_ONLY(device); *milliwatts = (unsigned int)(told(device->gpu, "limit_w", 700) * 1000); return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *mhz)
{
    GPU_ONLY(device);
    *mhz = (unsigned int)told(device->gpu, type == NVML_CLOCK_SM ? "sm_mhz" : "mem_mhz", type == NVML_CLOCK_SM ? 1410 : 1215);
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *celsius)
{ (void)sensor; GPU_ONLY(device); *celsius = (unsigned int)told(device->gpu, "celsius", 55); return NVML_SUCCESS; }
SIMPLE(nvmlDeviceGetCurrentClocksThrottleReasons, unsigned long long, "reasons", 0)
SIMPLE(nvmlDeviceGetPcieReplayCounter, unsigned int, "replays", 3)

nvmlReturn_t nvmlDeviceGetPcieThroughput(nvmlDevice_t device, nvmlPcieUtilCounter_t way, unsigned int *kb)
{
    GPU_ONLY(device);
    *kb = (unsigned int)told(device->gpu, way == NVML_PCIE_UTIL_TX_BYTES ? "pcie_tx_kb" : "pcie_rx_kb", way + 7);
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned int *percent, unsigned int *us)
{ GPU_ONLY(device); *percent = (unsigned int)told(device->gpu, "enc", 5); *us = 1000; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned int *percent, unsigned int *us)
{ GPU_ONLY(device); *percent = (unsigned int)told(device->gpu, "dec", 6); *us = 1000; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetTotalEccErrors(
    nvmlDevice_t device, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter, unsigned long long *count)
{
    (void)counter;
    GPU_ONLY(device);
    *count = (unsigned long long)told(device->gpu, type == NVML_MEMORY_ERROR_TYPE_CORRECTED ? "sbe" : "dbe", 1 + type);
    return NVML_SUCCESS;
}

static int fill_processes(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *found)
{
    unsigned int there = (unsigned int)told(device->gpu, "processes", 1);
    if (!there) { *count = 0; return NVML_SUCCESS; }
    if (!found || *count < there) { *count = there; return NVML_ERROR_INSUFFICIENT_SIZE; }
    for (unsigned int i = 0; i < there; i++) {
        memset(&found[i], 0, sizeof found[i]);
        found[i].pid = 4000000 + i; /* beyond what Linux gives out: no process of this machine */
        found[i].usedGpuMemory = (100ULL + i) << 20;
        found[i].gpuInstanceId = found[i].computeInstanceId = 0xFFFFFFFF;
    }
    *count = there;
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v2_t *found)
{ DEVICE(device); return fill_processes(device, count, found); }

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set)
{
    nvmlReturn_t error = enter(__func__, -1);
    if (!error) *set = calloc(1, sizeof **set);
    return error;
}
nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) { free(set); return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set)
{
    GPU_ONLY(device);
    if (types != nvmlEventTypeXidCriticalError) return NVML_ERROR_NOT_SUPPORTED;
    set->watched[device->gpu] = 1;
    set->seen[device->gpu] = (long long)told(device->gpu, "xid_number", 0);
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout_ms)
{
    nvmlReturn_t error = enter(__func__, -1);
    if (error) return error;
    for (double end = now_s() + timeout_ms / 1000.0; now_s() < end; usleep(100000))
        for (int gpu = 0; gpu < GPUS; gpu++) {
            long long number = (long long)told(gpu, "xid_number", 0);
            if (!set->watched[gpu] || number == set->seen[gpu]) continue;
            set->seen[gpu] = number;
            memset(data, 0, sizeof *data);
            data->device = &devices[gpu][0];
            data->eventType = nvmlEventTypeXidCriticalError;
            data->eventData = (unsigned long long)told(gpu, "xid", 79);
            return NVML_SUCCESS;
        }
    return NVML_ERROR_TIMEOUT;
}

#ifndef OLD_DRIVER
nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    if (memory->version != nvmlMemory_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    DEVICE(device);
    memory->total = 81920ULL << 20;
    memory->reserved = 512ULL << 20;
    memory->used = (unsigned long long)memory_used(device);
    memory->free = memory->total - memory->used - memory->reserved;
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *millijoules)
{
    GPU_ONLY(device);
    double t = now_s(), swing = told(device->gpu, "swing_w", 0), period = told(device->gpu, "swing_s", 1);
    double joules = told(device->gpu, "power_w", 100) * t + swing * period / (2 * M_PI) * (1 - cos(2 * M_PI * t / period));
    *millijoules = (unsigned long long)(joules * 1000);
    return NVML_SUCCESS;
}
SIMPLE(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long, "reasons", 0)
nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_t *found)
{
    if (found->version != nvmlTemperature_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    GPU_ONLY(device);
    found->temperature = (int)told(device->gpu, "celsius", 55);
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetRemappedRows(
    nvmlDevice_t device, unsigned int *ok, unsigned int *bad, unsigned int *pending, unsigned int *failed)
{
    GPU_ONLY(device);
    *ok = (unsigned int)told(device->gpu, "rows_ok", 4);
    *bad = (unsigned int)told(device->gpu, "rows_bad", 5);
    *pending = (unsigned int)told(device->gpu, "rows_pending", 0);
    *failed = (unsigned int)told(device->gpu, "rows_failed", 0);
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *fields)
{
    GPU_ONLY(device);
    for (int i = 0; i < count; i++) {
        char key[32];
        int link = fields[i].fieldId == NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX || fields[i].fieldId == NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX;
        snprintf(key, sizeof key, "field.%u", fields[i].fieldId);
        double value = told(device->gpu, key, -1);
        fields[i].nvmlReturn = value < 0 || (link && fields[i].scopeId != 0xFFFFFFFF) ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
        fields[i].valueType = link ? NVML_VALUE_TYPE_UNSIGNED_LONG_LONG : NVML_VALUE_TYPE_UNSIGNED_INT;
        memset(&fields[i].value, 0xAB, sizeof fields[i].value); /* what is not of the type must not be read */
        if (link) fields[i].value.ullVal = (unsigned long long)value;
        else fields[i].value.uiVal = (unsigned int)value;
    }
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *found)
{ DEVICE(device); return fill_processes(device, count, found); }
nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{ GPU_ONLY(device); *current = *pending = told(device->gpu, "slices", 0) > 0; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count)
{ GPU_ONLY(device); *count = 7; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *slice)
{
    GPU_ONLY(device);
    if (index >= (unsigned int)told(device->gpu, "slices", 0)) return NVML_ERROR_NOT_FOUND;
    *slice = &devices[device->gpu][index + 1];
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned int *number)
{ DEVICE(device); *number = 6 + (unsigned int)device->slice; return NVML_SUCCESS; }
#endif
