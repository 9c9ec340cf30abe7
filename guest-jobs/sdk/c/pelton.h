/*
 * Write a Pelton job in C.
 *
 * Define `pelton_job`: what the job reads, writes and takes, and the function that is called with one record at a time,
 * in the order of the partition. That is all of a job; batches, packing and null bitmaps are pelton.c's business.
 *
 *     static const pelton_sink LOUD = {.topic = "loud"};
 *     static int64_t bytes;
 *
 *     static bool configure(pelton_parameters *parameters) {
 *         return pelton_get_integer(parameters, "bytes", &bytes);
 *     }
 *
 *     static bool process(const pelton_record *record, pelton_out *out) {
 *         pelton_bytes text;
 *         if (!pelton_record_text(record, out, &text)) return false;
 *         if ((int64_t)text.size > bytes) pelton_forward(out, &LOUD);
 *         return true;
 *     }
 *
 *     const pelton_spec pelton_job = {
 *         .name = "filter", .version = "1.0.0", .description = "passes on long records",
 *         .sources = PELTON_SOURCES({"words"}),
 *         .sinks = PELTON_SINKS(&LOUD),
 *         .parameters = PELTON_PARAMETERS({"bytes", "records up to this long are dropped", "4"}),
 *         .configure = configure,
 *         .process = process,
 *     };
 *
 * Three ways for things to go wrong, each with an end of its own:
 * - a record that the job can't use: `return pelton_reject(out, "no temperature")`; it goes to the dead-letter topic
 *   with its reason, the rest goes on. What was emitted for the record before stands: check first, emit after;
 * - an error that nobody handles: `return pelton_fail(out, "…")`; the whole batch fails, and the host halves it until
 *   it has found the record;
 * - a mistake of the job in its own outputs (an undeclared sink, a value of the wrong type, too few values), or memory
 *   that runs out: the same, and the reason names sink, column and record.
 *
 * Nothing here is undefined behaviour for any content of a record. A job runs on one thread.
 */
#ifndef PELTON_H
#define PELTON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define PELTON_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define PELTON_PRINTF(text, first)
#endif
#if !defined(__FILE_NAME__)
#define __FILE_NAME__ __FILE__
#endif

/* === Bytes === */

/* Bytes of someone else's; null where `data` is NULL, which is not the same as empty. They don't end in a zero. */
typedef struct pelton_bytes {
    const char *data;
    size_t size;
} pelton_bytes;

/* The null one. */
#define PELTON_NULL ((pelton_bytes){NULL, 0})

/* The bytes of a C string; null for NULL. */
static inline pelton_bytes pelton_str(const char *text) {
    return (pelton_bytes){text, text ? strlen(text) : 0};
}

/* How many bytes at the start are valid UTF-8: all of `size` where the text is. */
size_t pelton_utf8(pelton_bytes text);

/* Bytes for a `%.*s`: at most 4096 of them, up to the first zero byte. */
#define PELTON_SHOW(bytes) (int)((bytes).size > 4096 ? 4096 : (bytes).size), (bytes).data ? (bytes).data : ""

/*
 * Bytes that grow. Start with `{0}`; set `size` to 0 to write anew into the same memory; free `data` where it isn't
 * kept. When memory runs out, nothing is added, and the `process` or `configure` that is running fails with that reason.
 */
typedef struct pelton_buffer {
    char *data;
    size_t size, capacity;
} pelton_buffer;

/* Makes room for so many bytes more behind `size`; false when memory runs out. */
bool pelton_reserve(pelton_buffer *buffer, size_t more);

/* Copies between places that don't overlap. Most items are short, and on Wasm every memcpy of a length that the compiler
 * doesn't know is a call out of the sandbox; here two overlapping words do. */
static inline void pelton_copy(char *to, const char *from, size_t size) {
    uint64_t first[2], last[2];
    if (size >= 16) {
        memcpy(last, from + size - 16, 16);
        for (size_t at = 0; at < size - 16; at += 16) {
            memcpy(first, from + at, 16);
            memcpy(to + at, first, 16);
        }
        memcpy(to + size - 16, last, 16);
    } else if (size >= 8) {
        memcpy(first, from, 8);
        memcpy(last, from + size - 8, 8);
        memcpy(to, first, 8);
        memcpy(to + size - 8, last, 8);
    } else {
        for (size_t at = 0; at < size; at++) to[at] = from[at];
    }
}

/* Adds bytes, which don't lie in the buffer itself. */
static inline void pelton_append(pelton_buffer *buffer, const void *data, size_t size) {
    if (size == 0 || (buffer->capacity - buffer->size < size && !pelton_reserve(buffer, size))) return;
    pelton_copy(buffer->data + buffer->size, (const char *)data, size);
    buffer->size += size;
}

/* Adds formatted text. */
void pelton_appendf(pelton_buffer *buffer, const char *format, ...) PELTON_PRINTF(2, 3);

/* What a buffer holds, never null, until it is written to again. */
static inline pelton_bytes pelton_view(const pelton_buffer *buffer) {
    return (pelton_bytes){buffer->data ? buffer->data : "", buffer->size};
}

/* === What a job says of itself === */

/* The types of a column or a placeholder, and what makes their values. */
typedef enum pelton_type {
    PELTON_BOOLEAN = 1, /* boolean: pelton_bool */
    PELTON_INT2,        /* smallint: pelton_int2 */
    PELTON_INT4,        /* integer: pelton_int4 */
    PELTON_INT8,        /* bigint: pelton_int8 */
    PELTON_FLOAT4,      /* real: pelton_float4 */
    PELTON_FLOAT8,      /* double precision: pelton_float8 */
    PELTON_NUMERIC,     /* numeric: pelton_text, a decimal number such as `-12.50`, `1e3`, `NaN` */
    PELTON_TEXT,        /* text, also character varying and character: pelton_text */
    PELTON_VARCHAR,     /* the same */
    PELTON_BYTEA,       /* bytea: pelton_binary */
    PELTON_TIMESTAMPTZ, /* timestamp with time zone: pelton_int8, microseconds since 1970-01-01 00:00:00 UTC */
    PELTON_TIMESTAMP,   /* timestamp without time zone: pelton_int8, microseconds since 1970-01-01 00:00:00 */
    PELTON_DATE,        /* date: pelton_int4, days since 1970-01-01 */
    PELTON_UUID,        /* uuid: pelton_binary, 16 bytes */
    PELTON_JSON,        /* json: pelton_text */
    PELTON_JSONB,       /* jsonb: pelton_text */
} pelton_type;

/* A topic that the job reads. */
typedef struct pelton_source {
    const char *topic;
    bool headers; /* whether records carry their headers */
} pelton_source;

typedef struct pelton_column {
    const char *name;
    pelton_type type;
    bool nullable;
} pelton_column;

/* What happens to a row whose key is already in the table. */
typedef enum pelton_conflict {
    PELTON_FAIL,   /* the row goes to the dead-letter topic */
    PELTON_IGNORE, /* the row that is there stays */
    PELTON_UPDATE, /* the row that is there is overwritten; within a batch the last one wins */
} pelton_conflict;

/* Where outputs go: a topic, a table or a statement. Set the fields of one of them. */
typedef struct pelton_sink {
    const char *name; /* unique in the job; the topic's or table's own where it is NULL; a statement needs one */
    const char *topic;
    const char *table;            /* `table` or `schema.table` */
    const pelton_column *columns; /* the columns of `table` that the job fills: PELTON_COLUMNS({"id", PELTON_INT8}, …) */
    pelton_conflict conflict;
    const char *const *key;          /* the unique constraint that decides a conflict: PELTON_KEY("id", …) */
    const char *statement;           /* one INSERT, UPDATE or DELETE with placeholders `?` or `$1`, `$2`, … */
    const pelton_type *placeholders; /* their types: PELTON_TYPES(PELTON_INT8, …) */
} pelton_sink;

typedef struct pelton_parameter {
    const char *name, *description;
    const char *fallback; /* the value where none is set; NULL: it must be set at submit */
} pelton_parameter;

/* The lists of a spec; each ends in a zero element. */
#define PELTON_SOURCES(...) ((const pelton_source[]){__VA_ARGS__, {NULL, false}})
#define PELTON_SINKS(...) ((const pelton_sink *const[]){__VA_ARGS__, NULL})
#define PELTON_PARAMETERS(...) ((const pelton_parameter[]){__VA_ARGS__, {NULL, NULL, NULL}})
/* One of PELTON_PARAMETERS: what the job holds in static variables from one record to the next, in words, such as "the last
 * reading of each sensor". It ends with the instance, so the host warns and asks before it ends one. It can't be set. */
#define PELTON_REMEMBERS(what) {"pelton.remembers", what, "true"}
#define PELTON_COLUMNS(...) ((const pelton_column[]){__VA_ARGS__, {NULL, (pelton_type)0, false}})
#define PELTON_KEY(...) ((const char *const[]){__VA_ARGS__, NULL})
#define PELTON_TYPES(...) ((const pelton_type[]){__VA_ARGS__, (pelton_type)0})

typedef struct pelton_parameters pelton_parameters;
typedef struct pelton_record pelton_record;
typedef struct pelton_out pelton_out;

/* What a job says of itself. */
typedef struct pelton_spec {
    const char *name; /* lower-case letters, digits, `_` and `-` */
    const char *version, *description;
    const pelton_source *sources;
    const pelton_sink *const *sinks;
    const pelton_parameter *parameters;
    /* Takes the parameters, once on a fresh instance; may be NULL. False, with a reason by pelton_refuse or from a
     * pelton_get_…, refuses the submit. */
    bool (*configure)(pelton_parameters *parameters);
    /* Handles one record. True, or what pelton_reject or pelton_fail gave. To filter it out is to emit nothing. */
    bool (*process)(const pelton_record *record, pelton_out *out);
} pelton_spec;

/* The job. You define it. */
extern const pelton_spec pelton_job;

/* === Parameters === */

/* Each reads a parameter that the spec declares; false, with the reason kept, where its value doesn't serve. The text
 * lives as long as the instance. */
bool pelton_get_text(pelton_parameters *parameters, const char *name, pelton_bytes *value);
bool pelton_get_integer(pelton_parameters *parameters, const char *name, int64_t *value); /* decimal */
bool pelton_get_double(pelton_parameters *parameters, const char *name, double *value);   /* `30`, `-1.5e3`; finite */
bool pelton_get_bool(pelton_parameters *parameters, const char *name, bool *value);       /* `true` or `false` */

/* Refuses the parameters with a reason. Gives false. */
bool pelton_refuse(pelton_parameters *parameters, const char *format, ...) PELTON_PRINTF(2, 3);

/* === Records === */

/* One record; what it points to lives until `process` returns. */
struct pelton_record {
    pelton_bytes key;
    pelton_bytes value; /* null: a tombstone */
    int64_t offset;
    int64_t timestamp; /* milliseconds since the Unix epoch; -1 where it has none */
    int32_t partition;
    uint32_t source;       /* index into the spec's sources */
    uint32_t header_count; /* 0 where the source is declared without headers */
    uint32_t first_header; /* pelton.c's */
    const void *batch;     /* pelton.c's */
};

/* A header of a record or a message. The name is UTF-8 and may repeat. */
typedef struct pelton_header {
    pelton_bytes name, value;
} pelton_header;

/* A header of a record, by its place; nulls beyond `header_count`. */
pelton_header pelton_record_header(const pelton_record *record, uint32_t index);

/* The value as text; false where it is null, empty or not UTF-8, after rejecting the record for that. */
bool pelton_record_text(const pelton_record *record, pelton_out *out, pelton_bytes *text);

/* The key as text, null where it is null; false where it is not UTF-8, after rejecting the record for that. */
bool pelton_record_key_text(const pelton_record *record, pelton_out *out, pelton_bytes *text);

/* === Outputs, each tied to the record at hand === */

/* Passes the record on to a topic unchanged: key, value and headers. Costs next to nothing. */
void pelton_forward(pelton_out *out, const pelton_sink *sink);

/* A message; null key, null value and no headers where they aren't set. Copied when it is sent. */
typedef struct pelton_message {
    pelton_bytes key, value;
    const pelton_header *headers;
    size_t header_count;
} pelton_message;

/* Sends a message to a topic. */
void pelton_send(pelton_out *out, const pelton_sink *sink, pelton_message message);

/* One value of a row; made by the functions below. */
typedef struct pelton_value {
    enum { PELTON_V_NULL, PELTON_V_BOOL, PELTON_V_INT2, PELTON_V_INT4, PELTON_V_INT8, PELTON_V_FLOAT4, PELTON_V_FLOAT8,
           PELTON_V_TEXT, PELTON_V_BINARY } kind;
    union {
        bool boolean;
        int16_t int2;
        int32_t int4;
        int64_t int8;
        float float4;
        double float8;
        pelton_bytes bytes;
    } as;
} pelton_value;

#define PELTON_VALUE(function, kind, type, field)                      \
    static inline pelton_value function(type value) {                  \
        return (pelton_value){kind, {.field = value}};                 \
    }
PELTON_VALUE(pelton_bool, PELTON_V_BOOL, bool, boolean)
PELTON_VALUE(pelton_int2, PELTON_V_INT2, int16_t, int2)
PELTON_VALUE(pelton_int4, PELTON_V_INT4, int32_t, int4)
PELTON_VALUE(pelton_int8, PELTON_V_INT8, int64_t, int8)
PELTON_VALUE(pelton_float4, PELTON_V_FLOAT4, float, float4)
PELTON_VALUE(pelton_float8, PELTON_V_FLOAT8, double, float8)
#undef PELTON_VALUE

/* NULL, for a column declared nullable and for any placeholder. */
static inline pelton_value pelton_null(void) {
    return (pelton_value){PELTON_V_NULL, {0}};
}

/* UTF-8 text; NULL for null bytes. */
static inline pelton_value pelton_text(pelton_bytes text) {
    return (pelton_value){text.data ? PELTON_V_TEXT : PELTON_V_NULL, {.bytes = text}};
}

/* Bytes as they are; NULL for null bytes. */
static inline pelton_value pelton_binary(pelton_bytes bytes) {
    return (pelton_value){bytes.data ? PELTON_V_BINARY : PELTON_V_NULL, {.bytes = bytes}};
}

/* Writes a row to a table, or runs a statement: one value per declared column or placeholder, in their order. */
#define pelton_row(out, sink, ...)                                       \
    pelton_row_of((out), (sink), (const pelton_value[]){__VA_ARGS__}, \
                  sizeof((const pelton_value[]){__VA_ARGS__}) / sizeof(pelton_value))
void pelton_row_of(pelton_out *out, const pelton_sink *sink, const pelton_value *values, size_t count);

/* The job can't use this record; of several reasons the first counts. Gives false. At most 4 KiB; what isn't UTF-8 is
 * shown as `?`. */
bool pelton_reject(pelton_out *out, const char *format, ...) PELTON_PRINTF(2, 3);

/* An error that nobody handles: fails the batch, with reason and place; no output of the call remains. Gives false. */
#define pelton_fail(out, ...) pelton_fail_at((out), __FILE_NAME__, __func__, __LINE__, __VA_ARGS__)
bool pelton_fail_at(pelton_out *out, const char *file, const char *function, int line, const char *format, ...)
    PELTON_PRINTF(5, 6);

/* === Log and metrics: each call crosses into the host, so use them for events, not for records === */

typedef enum pelton_level { PELTON_TRACE, PELTON_DEBUG, PELTON_INFO, PELTON_WARN, PELTON_ERROR } pelton_level;

/* Writes a line to the job's log. Cut at 4 KiB; the host drops what goes beyond 100 a second. */
void pelton_log(pelton_level level, const char *format, ...) PELTON_PRINTF(2, 3);

/* Adds to a counter, or sets a gauge, shown on the host's /metrics. Names match [a-zA-Z_][a-zA-Z0-9_]*. */
void pelton_count(const char *name, uint64_t increment);
void pelton_gauge(const char *name, double value);

#endif
