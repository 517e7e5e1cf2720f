/* SPDX-License-Identifier: Apache-2.0 */
#include "tensorboard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Fields of the messages, by event.proto and summary.proto. */
enum {
    EVENT_WALL_TIME = 1,
    EVENT_STEP = 2,
    EVENT_FILE_VERSION = 3,
    EVENT_SUMMARY = 5,
    EVENT_SESSION_LOG = 7,
    SESSION_LOG_STATUS = 1,
    SESSION_LOG_START = 1,
    SUMMARY_VALUE = 1,
    VALUE_TAG = 1,
    VALUE_SIMPLE = 2,
    VALUE_HISTOGRAM = 5,
    VALUE_TENSOR = 8,
    VALUE_METADATA = 9,
    METADATA_PLUGIN = 1,
    PLUGIN_NAME = 1,
    HISTOGRAM_MIN = 1,
    HISTOGRAM_MAX = 2,
    HISTOGRAM_NUM = 3,
    HISTOGRAM_SUM = 4,
    HISTOGRAM_SUM_OF_SQUARES = 5,
    HISTOGRAM_LIMITS = 6,
    HISTOGRAM_COUNTS = 7,
    TENSOR_DTYPE = 1,
    TENSOR_SHAPE = 2,
    TENSOR_STRINGS = 8,
    SHAPE_DIM = 2,
    DIM_SIZE = 1,
    DTYPE_STRING = 7
};

struct tensorboard {
    FILE *file;
    char *path;
    nncf_status status;
    nncf_error error;
};

/* A message that grows. */
typedef struct message {
    uint8_t *bytes;
    size_t size, room;
    bool failed; /* no memory */
} message;

static void put(message *m, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    if (m->size + size > m->room) {
        const size_t room = 2 * (m->size + size) + 64;
        uint8_t *grown = m->failed ? NULL : realloc(m->bytes, room);
        if (grown == NULL) {
            m->failed = true;
            return;
        }
        m->bytes = grown;
        m->room = room;
    }
    memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
}

static void put_varint(message *m, uint64_t value)
{
    for (; value > 127; value >>= 7)
        put(m, &(uint8_t){(uint8_t)(value | 128)}, 1);
    put(m, &(uint8_t){(uint8_t)value}, 1);
}

/* Wire types of protocol buffers: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes. */
static void put_key(message *m, int field, unsigned wire_type)
{
    put_varint(m, (uint64_t)field << 3 | wire_type);
}

static void put_little_endian(message *m, uint64_t bits, int n)
{
    for (int i = 0; i < n; i++)
        put(m, &(uint8_t){(uint8_t)(bits >> 8 * i)}, 1);
}

static void put_number(message *m, int field, uint64_t value)
{
    put_key(m, field, 0);
    put_varint(m, value);
}

static void put_raw_double(message *m, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_little_endian(m, bits, 8);
}

static void put_double(message *m, int field, double value)
{
    put_key(m, field, 1);
    put_raw_double(m, value);
}

static void put_float(message *m, int field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(m, field, 5);
    put_little_endian(m, bits, 4);
}

static void put_bytes(message *m, int field, const void *bytes, size_t size)
{
    put_key(m, field, 2);
    put_varint(m, size);
    put(m, bytes, size);
}

static void put_text(message *m, int field, const char *text)
{
    put_bytes(m, field, text, strlen(text));
}

/* A message inside of another one; frees it. */
static void put_message(message *m, int field, message *inner)
{
    m->failed = m->failed || inner->failed;
    if (!m->failed)
        put_bytes(m, field, inner->bytes, inner->size);
    free(inner->bytes);
}

/* The checksum of Castagnoli's polynomial (RFC 3720, B.4). */
static uint32_t crc32c(const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0); /* the polynomial, bits reversed */
    }
    return ~crc;
}

/* Records hold their checksums rotated and with a constant added, as a checksum of data that has
 * checksums in it would be a poor one (tensorflow/core/lib/hash/crc32c.h). */
static void put_checksum(message *m, const void *bytes, size_t size)
{
    const uint32_t crc = crc32c(bytes, size);
    put_little_endian(m, (crc >> 15 | crc << 17) + 0xa282ead8u, 4);
}

/* An event as a record: length, its checksum, the event, its checksum. Frees the event. */
static void write_event(tensorboard *t, message *event)
{
    message record = {0};
    put_little_endian(&record, event->size, 8);
    if (!record.failed)
        put_checksum(&record, record.bytes, 8);
    if (!event->failed) {
        put(&record, event->bytes, event->size);
        put_checksum(&record, event->bytes, event->size);
    }
    if (t->status != NNCF_OK)
        ;
    else if (event->failed || record.failed)
        t->status = app_fail(&t->error, NNCF_E_NOMEM, t->path, "no memory for TensorBoard's file");
    else if (fwrite(record.bytes, 1, record.size, t->file) != record.size)
        t->status = app_fail_errno(&t->error, t->path, "write");
    free(event->bytes);
    free(record.bytes);
}

static message new_event(int64_t step)
{
    struct timespec now;
    message m = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    put_double(&m, EVENT_WALL_TIME, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    put_number(&m, EVENT_STEP, (uint64_t)step);
    return m;
}

/* One value of one tag as an event of its own. */
static void write_value(tensorboard *t, int64_t step, message *value)
{
    message summary = {0}, event = new_event(step);
    put_message(&summary, SUMMARY_VALUE, value);
    put_message(&event, EVENT_SUMMARY, &summary);
    write_event(t, &event);
}

void tensorboard_scalar(tensorboard *t, const char *tag, int64_t step, double value)
{
    message m = {0};
    if (t == NULL)
        return;
    put_text(&m, VALUE_TAG, tag);
    put_float(&m, VALUE_SIMPLE, (float)value);
    write_value(t, step, &m);
}

/* TensorBoard's buckets have upper limits only. Zeros lie in the bucket with 0. */
void tensorboard_histogram(tensorboard *t, const char *tag, int64_t step, const histogram *h)
{
    message m = {0}, proto = {0}, limits = {0}, counts = {0};
    int zero = 0;
    if (t == NULL)
        return;
    while (zero < HISTOGRAM_BINS - 1 && histogram_edge(h, zero + 1) <= 0.0)
        zero++;
    put_double(&proto, HISTOGRAM_MIN, h->low);
    put_double(&proto, HISTOGRAM_MAX, h->high);
    put_double(&proto, HISTOGRAM_NUM, (double)h->count);
    put_double(&proto, HISTOGRAM_SUM, h->sum);
    put_double(&proto, HISTOGRAM_SUM_OF_SQUARES, h->sum_of_squares);
    /* an empty one first, whose limit is where the first bucket begins */
    put_raw_double(&limits, h->low);
    put_raw_double(&counts, 0.0);
    for (int i = 0; i < HISTOGRAM_BINS; i++) {
        put_raw_double(&limits, histogram_edge(h, i + 1));
        put_raw_double(&counts, (double)(h->counts[i] + (i == zero ? h->zeros : 0)));
    }
    put_message(&proto, HISTOGRAM_LIMITS, &limits);
    put_message(&proto, HISTOGRAM_COUNTS, &counts);
    put_text(&m, VALUE_TAG, tag);
    put_message(&m, VALUE_HISTOGRAM, &proto);
    write_value(t, step, &m);
}

void tensorboard_text(tensorboard *t, const char *tag, int64_t step, const char *text)
{
    message m = {0}, metadata = {0}, plugin = {0}, tensor = {0}, shape = {0}, dim = {0};
    if (t == NULL)
        return;
    put_text(&plugin, PLUGIN_NAME, "text");
    put_message(&metadata, METADATA_PLUGIN, &plugin);
    put_number(&dim, DIM_SIZE, 1);
    put_message(&shape, SHAPE_DIM, &dim);
    put_number(&tensor, TENSOR_DTYPE, DTYPE_STRING);
    put_message(&tensor, TENSOR_SHAPE, &shape);
    put_text(&tensor, TENSOR_STRINGS, text);
    put_text(&m, VALUE_TAG, tag);
    put_message(&m, VALUE_TENSOR, &tensor);
    put_message(&m, VALUE_METADATA, &metadata);
    write_value(t, step, &m);
}

/* The name says when and where, as TensorFlow's do: TensorBoard reads files in their order. */
static char *make_path(const char *dir)
{
    struct timespec now;
    char host[65] = "";
    clock_gettime(CLOCK_REALTIME, &now);
    gethostname(host, sizeof host - 1);
    return app_format("%s/events.out.tfevents.%010lld.%s.%ld.%09ld", dir, (long long)now.tv_sec,
        host[0] != '\0' ? host : "localhost", (long)getpid(), now.tv_nsec);
}

nncf_status tensorboard_open(const char *dir, int64_t step, tensorboard **out, nncf_error *err)
{
    message event = new_event(0), log = {0};
    nncf_status status = app_make_dirs(dir, err);
    tensorboard *t = status == NNCF_OK ? calloc(1, sizeof *t) : NULL;
    if (t != NULL)
        t->error = (nncf_error)NNCF_ERROR_INIT;
    if (status == NNCF_OK && (t == NULL || (t->path = make_path(dir)) == NULL))
        status = app_fail(err, NNCF_E_NOMEM, dir, "no memory for TensorBoard's file");
    if (status == NNCF_OK && (t->file = fopen(t->path, "wbx")) == NULL)
        status = app_fail_errno(err, t->path, "open");
    if (status != NNCF_OK) {
        free(event.bytes);
        tensorboard_close(t);
        return status;
    }
    put_text(&event, EVENT_FILE_VERSION, "brain.Event:2");
    write_event(t, &event);
    if (step > 1) {
        put_number(&log, SESSION_LOG_STATUS, SESSION_LOG_START);
        event = new_event(step);
        put_message(&event, EVENT_SESSION_LOG, &log);
        write_event(t, &event);
    }
    *out = t;
    return tensorboard_flush(t, err);
}

nncf_status tensorboard_flush(tensorboard *t, nncf_error *err)
{
    if (t == NULL)
        return NNCF_OK;
    if (t->status == NNCF_OK && fflush(t->file) != 0)
        t->status = app_fail_errno(&t->error, t->path, "write");
    if (t->status != NNCF_OK)
        *err = t->error;
    return t->status;
}

void tensorboard_close(tensorboard *t)
{
    if (t == NULL)
        return;
    if (t->file != NULL)
        fclose(t->file); /* all was flushed */
    free(t->path);
    free(t);
}
