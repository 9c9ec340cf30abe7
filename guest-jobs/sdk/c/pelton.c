/*
 * The canonical ABI of `pelton:job@0.1.0` by hand: no generator, and nothing but a C library, stands between a job and
 * the host. The structs below lie in memory as the contract's records do on wasm32 (the assertions say so), so a batch
 * is read where the host put it, and an answer is read where it grew. Buffers stay from batch to batch: a steady stream
 * allocates nothing but its inputs.
 *
 * No index, length or text is used before it is checked. Memory that runs out is an error of `process`; only a call of
 * the host for memory (`cabi_realloc`) can't say so, and traps.
 */
#include "pelton.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__wasm__)
#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define LAYOUT(type, bytes) _Static_assert(sizeof(type) == (bytes), "the contract's layout of " #type)
#else
#define EXPORT(name)
#define IMPORT(module, name)
#define LAYOUT(type, bytes) _Static_assert(sizeof(type) >= (bytes), "a layout of " #type)
#endif

enum { TEXT_LIMIT = 4096 };

/* === The contract's records === */

/* A list of items; numbers cross as bytes, of which `count` is how many. */
typedef struct { const void *items; size_t count; } list;
typedef struct { list ends, bytes; } packed;
typedef struct { list validity; packed items; } nullable_packed;
typedef struct { list ends; packed names; nullable_packed values; } headers;
typedef struct {
    uint32_t source;
    int32_t partition;
    list offsets, timestamps;
    nullable_packed keys, values;
    bool has_headers;
    headers headers;
} batch;

enum { FORWARD, MESSAGES, ROWS };
enum { BOOLEANS, INT16S, INT32S, INT64S, FLOAT32S, FLOAT64S, PACKED };
typedef struct { list validity; uint8_t tag; union { list plain; packed packed; } data; } column_data;
typedef struct {
    uint8_t tag;
    uint32_t sink;
    list origin;
    union {
        struct { nullable_packed keys, values; bool has_headers; headers headers; } messages;
        list columns;
    } as;
} output;
typedef struct { uint32_t index; list reason; } reject;
typedef struct { bool is_error; union { struct { list outputs, rejects; } ok; list error; } as; } result;

typedef struct { list name, value; } setting;
typedef struct { list topic; bool headers; } source_spec;
typedef struct { list name; uint8_t type; bool nullable; } column_spec;
enum { TOPIC, TABLE, STATEMENT };
typedef struct {
    list name;
    uint8_t tag;
    union {
        list topic;
        struct { list name, columns, key; uint8_t on_conflict; } table;
        struct { list sql, placeholders; } statement;
    } as;
} sink_spec;
typedef struct { list name, description; bool has_default; list fallback; } parameter_spec;
typedef struct { list name, version, description, sources, sinks, parameters; } spec;

LAYOUT(batch, 124);
LAYOUT(column_data, 28);
LAYOUT(output, 116);
LAYOUT(reject, 12);
LAYOUT(result, 20);
LAYOUT(source_spec, 12);
LAYOUT(column_spec, 12);
LAYOUT(sink_spec, 40);
LAYOUT(parameter_spec, 28);

IMPORT("pelton:job/log@0.1.0", "log") void pelton_host_log(int32_t level, const char *text, size_t size);
IMPORT("pelton:job/metrics@0.1.0", "count") void pelton_host_count(const char *name, size_t size, uint64_t increment);
IMPORT("pelton:job/metrics@0.1.0", "gauge") void pelton_host_gauge(const char *name, size_t size, double value);

/* === Memory === */

/* What the host allocated for the arguments of a call, in a list, to be freed with it. */
typedef struct input { struct input *next; size_t size; } input;
static input *inputs;

/* Since it was last cleared: whether memory ran out. */
static bool out_of_memory;

EXPORT("cabi_realloc") void *pelton_realloc(void *old, size_t old_size, size_t align, size_t size) {
    if (size > SIZE_MAX - sizeof(input) || align > 8) abort();
    input *fresh = malloc(sizeof(input) + size);
    if (!fresh) abort();
    *fresh = (input){inputs, size};
    inputs = fresh;
    if (old_size) memcpy(fresh + 1, old, old_size < size ? old_size : size);
    return fresh + 1;
}

static void free_inputs(void) {
    while (inputs) {
        input *next = inputs->next;
        free(inputs);
        inputs = next;
    }
}

/* Ends of packed items are u32, so no buffer may be longer than that, whatever the machine has. */
bool pelton_reserve(pelton_buffer *buffer, size_t more) {
    if (buffer->capacity - buffer->size >= more) return true;
    size_t most = UINT32_MAX / 2, wanted = buffer->size + more;
    if (more > most || wanted > most) return out_of_memory = true, false;
    size_t twice = buffer->capacity < most / 2 ? buffer->capacity * 2 : most;
    size_t capacity = twice < 64 ? 64 : twice;
    if (capacity < wanted) capacity = wanted;
    char *data = realloc(buffer->data, capacity);
    if (!data) data = realloc(buffer->data, capacity = wanted);
    if (!data) return out_of_memory = true, false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

/* === Text === */

size_t pelton_utf8(pelton_bytes text) {
    const unsigned char *bytes = (const unsigned char *)text.data;
    size_t at = 0, size = text.size;
    while (at < size) {
        uint64_t words[4];
        for (; size - at >= sizeof words; at += sizeof words) {
            memcpy(words, bytes + at, sizeof words);
            if ((words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080u) break;
        }
        for (; size - at >= 8; at += 8) {
            memcpy(words, bytes + at, 8);
            if (words[0] & 0x8080808080808080u) break;
        }
        if (at == size) break;
        unsigned char lead = bytes[at], low = 0x80, high = 0xBF;
        size_t more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
        if (lead < 0x80) { at++; continue; }
        if (lead < 0xC2 || lead > 0xF4 || size - at <= more) return at;
        if (lead == 0xE0) low = 0xA0;
        if (lead == 0xED) high = 0x9F;
        if (lead == 0xF0) low = 0x90;
        if (lead == 0xF4) high = 0x8F;
        if (bytes[at + 1] < low || bytes[at + 1] > high) return at;
        for (size_t n = 2; n <= more; n++) {
            if ((bytes[at + n] & 0xC0) != 0x80) return at;
        }
        at += more + 1;
    }
    return at;
}

/* Formats into TEXT_LIMIT bytes, cut to fit and made UTF-8, which is what a string of the contract must be. */
static size_t format_text(char *into, const char *format, va_list arguments) {
    int length = vsnprintf(into, TEXT_LIMIT, format, arguments);
    size_t size = length < 0 ? 0 : length < TEXT_LIMIT ? (size_t)length : TEXT_LIMIT - 1;
    for (size_t at = 0; (at += pelton_utf8((pelton_bytes){into + at, size - at})) < size;) into[at] = '?';
    return size;
}

void pelton_appendf(pelton_buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !pelton_reserve(buffer, (size_t)length + 1)) return;
    va_start(arguments, format);
    vsnprintf(buffer->data + buffer->size, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->size += (size_t)length;
}

static list text_list(const char *text) {
    return (list){text, text ? strlen(text) : 0};
}

/* === What the job says of itself === */

static void *must_allocate(size_t count, size_t size) {
    void *memory = calloc(count + 1, size);
    if (!memory) abort();
    return memory;
}

/* The type of a row's value; 0 behind the last, and for a topic. */
static pelton_type row_type(const pelton_sink *sink, size_t n) {
    if (sink->table) return sink->columns && sink->columns[n].name ? sink->columns[n].type : 0;
    return sink->statement && sink->placeholders ? sink->placeholders[n] : 0;
}

static size_t row_length(const pelton_sink *sink) {
    size_t count = 0;
    while (row_type(sink, count)) count++;
    return count;
}

static const char *sink_name(const pelton_sink *sink) {
    if (sink->name) return sink->name;
    return sink->topic ? sink->topic : sink->table ? sink->table : "";
}

static size_t count_sinks(void) {
    size_t count = 0;
    while (pelton_job.sinks && pelton_job.sinks[count]) count++;
    return count;
}

static sink_spec describe_sink(const pelton_sink *sink) {
    sink_spec described = {.name = text_list(sink_name(sink))};
    size_t count = row_length(sink);
    if (sink->table) {
        described.tag = TABLE;
        size_t keys = 0;
        column_spec *columns = must_allocate(count, sizeof *columns);
        for (size_t n = 0; n < count; n++) {
            const pelton_column *column = &sink->columns[n];
            columns[n] = (column_spec){text_list(column->name), (uint8_t)(column->type - 1), column->nullable};
        }
        while (sink->key && sink->key[keys]) keys++;
        list *key = must_allocate(keys, sizeof *key);
        for (size_t n = 0; n < keys; n++) key[n] = text_list(sink->key[n]);
        described.as.table.name = text_list(sink->table);
        described.as.table.columns = (list){columns, count};
        described.as.table.key = (list){key, keys};
        described.as.table.on_conflict = (uint8_t)sink->conflict;
    } else if (sink->statement) {
        described.tag = STATEMENT;
        uint8_t *placeholders = must_allocate(count, 1);
        for (size_t n = 0; n < count; n++) placeholders[n] = (uint8_t)(sink->placeholders[n] - 1);
        described.as.statement.sql = text_list(sink->statement);
        described.as.statement.placeholders = (list){placeholders, count};
    } else {
        described.tag = TOPIC;
        described.as.topic = text_list(sink->topic);
    }
    return described;
}

/* Made once; the host only reads it, so it needs no call to free it. */
EXPORT("pelton:job/task@0.1.0#describe") const void *pelton_task_describe(void) {
    static spec described;
    if (described.name.items) return &described;
    size_t source_count = 0, sink_count = count_sinks(), parameter_count = 0;
    while (pelton_job.sources && pelton_job.sources[source_count].topic) source_count++;
    while (pelton_job.parameters && pelton_job.parameters[parameter_count].name) parameter_count++;
    source_spec *sources = must_allocate(source_count, sizeof *sources);
    for (size_t n = 0; n < source_count; n++) {
        sources[n] = (source_spec){text_list(pelton_job.sources[n].topic), pelton_job.sources[n].headers};
    }
    sink_spec *sinks = must_allocate(sink_count, sizeof *sinks);
    for (size_t n = 0; n < sink_count; n++) sinks[n] = describe_sink(pelton_job.sinks[n]);
    parameter_spec *parameters = must_allocate(parameter_count, sizeof *parameters);
    for (size_t n = 0; n < parameter_count; n++) {
        const pelton_parameter *parameter = &pelton_job.parameters[n];
        parameters[n] = (parameter_spec){text_list(parameter->name), text_list(parameter->description),
                                         parameter->fallback != NULL, text_list(parameter->fallback)};
    }
    described = (spec){text_list(pelton_job.name), text_list(pelton_job.version), text_list(pelton_job.description),
                       {sources, source_count}, {sinks, sink_count}, {parameters, parameter_count}};
    return &described;
}

/* === Parameters === */

/* Values are kept as the host wrote them: its memory for `configure` is not freed. */
struct pelton_parameters {
    const setting *settings;
    size_t count, reason_size;
    char reason[TEXT_LIMIT];
};

bool pelton_refuse(pelton_parameters *parameters, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (parameters->reason_size == 0) parameters->reason_size = format_text(parameters->reason, format, arguments);
    va_end(arguments);
    return false;
}

bool pelton_get_text(pelton_parameters *parameters, const char *name, pelton_bytes *value) {
    for (size_t n = 0; n < parameters->count; n++) {
        const setting *setting = &parameters->settings[n];
        if (setting->name.count != strlen(name) || memcmp(setting->name.items, name, setting->name.count)) continue;
        *value = (pelton_bytes){setting->value.count ? setting->value.items : "", setting->value.count};
        return true;
    }
    return pelton_refuse(parameters, "the job reads parameter `%s`, which its spec does not declare", name);
}

/* The value in a text that ends in a zero; false where it is too long for any number, or holds other characters. */
static bool get_number(pelton_parameters *parameters, const char *name, const char *of, const char *kind,
                       char number[64]) {
    pelton_bytes value;
    if (!pelton_get_text(parameters, name, &value)) return false;
    size_t size = value.size < 64 ? value.size : 0;
    memcpy(number, value.data, size);
    number[size] = 0;
    if (size > 0 && strspn(number, of) == size) return true;
    return pelton_refuse(parameters, "parameter `%s`: cannot read `%.*s` as %s", name, PELTON_SHOW(value), kind);
}

bool pelton_get_integer(pelton_parameters *parameters, const char *name, int64_t *value) {
    char text[64], *digit = text;
    if (!get_number(parameters, name, "+-0123456789", "a 64-bit integer", text)) return false;
    bool minus = *digit == '-', fits = true;
    if (*digit == '-' || *digit == '+') digit++;
    int64_t number = 0;
    fits = *digit != 0;
    for (; *digit && fits; digit++) {
        fits = *digit >= '0' && !__builtin_mul_overflow(number, 10, &number) &&
               (minus ? !__builtin_sub_overflow(number, *digit - '0', &number)
                      : !__builtin_add_overflow(number, *digit - '0', &number));
    }
    if (!fits) return pelton_refuse(parameters, "parameter `%s`: cannot read `%s` as a 64-bit integer", name, text);
    *value = number;
    return true;
}

bool pelton_get_double(pelton_parameters *parameters, const char *name, double *value) {
    char text[64], *end = text;
    if (!get_number(parameters, name, "+-.0123456789eE", "a number", text)) return false;
    double number = strtod(text, &end);
    if (*end || number - number != 0) {
        return pelton_refuse(parameters, "parameter `%s`: cannot read `%s` as a number", name, text);
    }
    *value = number;
    return true;
}

bool pelton_get_bool(pelton_parameters *parameters, const char *name, bool *value) {
    pelton_bytes text;
    if (!pelton_get_text(parameters, name, &text)) return false;
    bool yes = text.size == 4 && !memcmp(text.data, "true", 4), no = text.size == 5 && !memcmp(text.data, "false", 5);
    *value = yes;
    return yes || no ||
           pelton_refuse(parameters, "parameter `%s`: `%.*s` is neither true nor false", name, PELTON_SHOW(text));
}

/* The answer of `configure` and `process`. */
static result answer;
static bool is_configured;

EXPORT("pelton:job/task@0.1.0#configure") const void *pelton_task_configure(const void *settings, size_t count) {
    static pelton_parameters parameters;
    parameters.settings = settings;
    parameters.count = count;
    parameters.reason_size = 0;
    inputs = NULL;
    out_of_memory = false;
    is_configured = !pelton_job.configure || pelton_job.configure(&parameters);
    if (out_of_memory) is_configured = pelton_refuse(&parameters, "out of memory");
    if (!is_configured) pelton_refuse(&parameters, "configure returned false without a reason");
    answer.is_error = !is_configured;
    answer.as.error = (list){parameters.reason, parameters.reason_size};
    return &answer;
}

/* === Log and metrics === */

void pelton_log(pelton_level level, const char *format, ...) {
    char text[TEXT_LIMIT];
    va_list arguments;
    va_start(arguments, format);
    size_t size = format_text(text, format, arguments);
    va_end(arguments);
    pelton_host_log(level < PELTON_TRACE || level > PELTON_ERROR ? PELTON_ERROR : level, text, size);
}

void pelton_count(const char *name, uint64_t increment) {
    pelton_host_count(name, strlen(name), increment);
}

void pelton_gauge(const char *name, double value) {
    pelton_host_gauge(name, strlen(name), value);
}

/* === Records === */

/* Number `index` of a list of bytes, which begins at any address; it must be there. Each is one load. */
static uint32_t u32_at(const list *numbers, size_t index) {
    uint32_t number;
    memcpy(&number, (const char *)numbers->items + index * sizeof number, sizeof number);
    return number;
}

static int64_t s64_at(const list *numbers, size_t index) {
    int64_t number;
    memcpy(&number, (const char *)numbers->items + index * sizeof number, sizeof number);
    return number;
}

/* Item `index`; null where the lists contradict each other. */
static pelton_bytes item(const packed *items, size_t index) {
    if (index >= items->ends.count / sizeof(uint32_t)) return PELTON_NULL;
    uint32_t start = index ? u32_at(&items->ends, index - 1) : 0, end = u32_at(&items->ends, index);
    if (start > end || end > items->bytes.count) return PELTON_NULL;
    return (pelton_bytes){end > start ? (const char *)items->bytes.items + start : "", end - start};
}

static pelton_bytes nullable_item(const nullable_packed *packed, size_t index) {
    const uint8_t *bits = packed->validity.items;
    size_t count = packed->validity.count;
    if (count && (index / 8 >= count || !(bits[index / 8] >> index % 8 & 1))) return PELTON_NULL;
    return item(&packed->items, index);
}

pelton_header pelton_record_header(const pelton_record *record, uint32_t index) {
    const batch *batch = record->batch;
    if (index >= record->header_count) return (pelton_header){PELTON_NULL, PELTON_NULL};
    size_t at = (size_t)record->first_header + index;
    return (pelton_header){item(&batch->headers.names, at), nullable_item(&batch->headers.values, at)};
}

static pelton_record read_record(const batch *batch, size_t index) {
    pelton_record record = {
        .key = nullable_item(&batch->keys, index),
        .value = nullable_item(&batch->values, index),
        .offset = s64_at(&batch->offsets, index),
        .timestamp = index < batch->timestamps.count / sizeof(int64_t) ? s64_at(&batch->timestamps, index) : -1,
        .partition = batch->partition,
        .source = batch->source,
        .batch = batch,
    };
    const list *ends = &batch->headers.ends;
    if (batch->has_headers && index < ends->count / sizeof(uint32_t)) {
        uint32_t end = u32_at(ends, index);
        record.first_header = index ? u32_at(ends, index - 1) : 0;
        record.header_count = end > record.first_header ? end - record.first_header : 0;
    }
    return record;
}

bool pelton_record_text(const pelton_record *record, pelton_out *out, pelton_bytes *text) {
    *text = record->value;
    if (!text->data) return pelton_reject(out, "value is null (a tombstone)");
    if (text->size == 0) return pelton_reject(out, "value is empty");
    size_t valid = pelton_utf8(*text);
    return valid == text->size || pelton_reject(out, "value is not UTF-8: invalid at byte %zu", valid);
}

bool pelton_record_key_text(const pelton_record *record, pelton_out *out, pelton_bytes *text) {
    *text = record->key;
    size_t valid = pelton_utf8(*text);
    return valid == text->size || pelton_reject(out, "key is not UTF-8: invalid at byte %zu", valid);
}

/* === Outputs === */

/* A column, keys or values in the making; `validity` stays empty until the first null. */
typedef struct { pelton_buffer validity, ends, data; } column;

/* An output in the making. Its memory serves the next batch. */
typedef struct {
    uint32_t sink, kind, count;
    bool has_headers;
    pelton_buffer origin, header_ends, columns; /* of `column`: a row's; else keys, values, header names and values */
} growing;

/* What became of one record. */
typedef struct { uint32_t index, end; } rejected;

struct pelton_out {
    const pelton_record *record;
    uint32_t index, sink_count;
    bool is_rejected, has_failed;
    pelton_buffer slots;            /* of `growing`: the first `used` are the outputs of this batch, in order */
    size_t used;
    pelton_buffer open;             /* of uint32_t, by sink: 1 + the slot that takes its outputs, or 0 */
    pelton_buffer rejects, reasons; /* of `rejected`, with ends in `reasons` */
    pelton_buffer outputs, columns, rejections; /* the answer, as the contract has it */
    size_t failure_size;
    char failure[TEXT_LIMIT];
};

/* By type: what carries it, the value that it takes, and how many bytes that has where it is not packed. */
static const struct { uint8_t tag, kind, size; const char *takes; } types[] = {
    [PELTON_BOOLEAN] = {BOOLEANS, PELTON_V_BOOL, 1, "boolean and takes pelton_bool"},
    [PELTON_INT2] = {INT16S, PELTON_V_INT2, 2, "int2 and takes pelton_int2"},
    [PELTON_INT4] = {INT32S, PELTON_V_INT4, 4, "int4 and takes pelton_int4"},
    [PELTON_INT8] = {INT64S, PELTON_V_INT8, 8, "int8 and takes pelton_int8"},
    [PELTON_FLOAT4] = {FLOAT32S, PELTON_V_FLOAT4, 4, "float4 and takes pelton_float4"},
    [PELTON_FLOAT8] = {FLOAT64S, PELTON_V_FLOAT8, 8, "float8 and takes pelton_float8"},
    [PELTON_NUMERIC] = {PACKED, PELTON_V_TEXT, 0, "numeric and takes pelton_text (a decimal number)"},
    [PELTON_TEXT] = {PACKED, PELTON_V_TEXT, 0, "text and takes pelton_text"},
    [PELTON_VARCHAR] = {PACKED, PELTON_V_TEXT, 0, "varchar and takes pelton_text"},
    [PELTON_BYTEA] = {PACKED, PELTON_V_BINARY, 0, "bytea and takes pelton_binary"},
    [PELTON_TIMESTAMPTZ] = {INT64S, PELTON_V_INT8, 8, "timestamptz and takes pelton_int8 (microseconds since 1970 UTC)"},
    [PELTON_TIMESTAMP] = {INT64S, PELTON_V_INT8, 8, "timestamp and takes pelton_int8 (microseconds since 1970)"},
    [PELTON_DATE] = {INT32S, PELTON_V_INT4, 4, "date and takes pelton_int4 (days since 1970-01-01)"},
    [PELTON_UUID] = {PACKED, PELTON_V_BINARY, 0, "uuid and takes pelton_binary of 16 bytes"},
    [PELTON_JSON] = {PACKED, PELTON_V_TEXT, 0, "json and takes pelton_text"},
    [PELTON_JSONB] = {PACKED, PELTON_V_TEXT, 0, "jsonb and takes pelton_text"},
};
static const char *const made_by[] = {"pelton_null", "pelton_bool", "pelton_int2", "pelton_int4", "pelton_int8",
                                      "pelton_float4", "pelton_float8", "pelton_text", "pelton_binary"};

/* The first failure of a batch counts. */
PELTON_PRINTF(2, 3)
static bool set_failure(pelton_out *out, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (!out->has_failed) out->failure_size = format_text(out->failure, format, arguments);
    va_end(arguments);
    out->has_failed = true;
    return false;
}

bool pelton_fail_at(pelton_out *out, const char *file, const char *function, int line, const char *format, ...) {
    char text[TEXT_LIMIT];
    va_list arguments;
    va_start(arguments, format);
    format_text(text, format, arguments);
    va_end(arguments);
    return set_failure(out, "record at partition %d offset %lld: %.3600s\n    at %s (%s:%d)", (int)out->record->partition,
                       (long long)out->record->offset, text, function, file, line);
}

PELTON_PRINTF(3, 4)
static void mistake(pelton_out *out, const pelton_sink *sink, const char *format, ...) {
    char what[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    set_failure(out, "sink `%s`: %s (at offset %lld)", sink_name(sink), what, (long long)out->record->offset);
}

bool pelton_reject(pelton_out *out, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (!out->is_rejected && pelton_reserve(&out->reasons, TEXT_LIMIT)) {
        out->reasons.size += format_text(out->reasons.data + out->reasons.size, format, arguments);
        pelton_append(&out->rejects, &(rejected){out->index, (uint32_t)out->reasons.size}, sizeof(rejected));
    }
    va_end(arguments);
    out->is_rejected = true;
    return false;
}

static void push_validity(pelton_buffer *bits, size_t index, bool is_valid) {
    size_t size = index / 8 + 1, more = size - bits->size;
    if (is_valid && bits->size == 0) return;
    if (size > bits->size) {
        if (!pelton_reserve(bits, more)) return;
        bool is_first_null = bits->size == 0;
        memset(bits->data + bits->size, is_first_null ? 0xFF : 0, more);
        if (is_first_null) bits->data[index / 8] = (char)((1 << index % 8) - 1);
        bits->size = size;
    }
    if (is_valid) bits->data[index / 8] |= (char)(1 << index % 8);
}

static void push_item(column *column, pelton_bytes bytes) {
    pelton_append(&column->data, bytes.data, bytes.size);
    pelton_append(&column->ends, &(uint32_t){(uint32_t)column->data.size}, sizeof(uint32_t));
}

static void push_nullable(column *column, pelton_bytes bytes) {
    push_validity(&column->validity, column->ends.size / sizeof(uint32_t), bytes.data != NULL);
    push_item(column, bytes.data ? bytes : (pelton_bytes){"", 0});
}

/* Adds an item, made from the record at hand, to the open output of this kind for a sink; another is begun where the
 * kind changes, so that a sink gets its outputs in order. NULL after a mistake or without memory. */
static growing *add_item(pelton_out *out, const pelton_sink *sink, uint32_t kind, size_t columns) {
    if (out->has_failed || out_of_memory) return NULL;
    uint32_t index = 0;
    while (index < out->sink_count && pelton_job.sinks[index] != sink) index++;
    if (index == out->sink_count) return mistake(out, sink, "not among the sinks of the job's spec"), NULL;
    bool is_topic = !sink->table && !sink->statement;
    if (is_topic && kind == ROWS) return mistake(out, sink, "a topic takes no rows"), NULL;
    if (!is_topic && kind != ROWS) return mistake(out, sink, "a table or statement takes rows, not messages"), NULL;
    uint32_t *open = (uint32_t *)(void *)out->open.data + index;
    growing *slots = (void *)out->slots.data;
    if (!*open || slots[*open - 1].kind != kind) {
        if (out->used * sizeof *slots == out->slots.size) pelton_append(&out->slots, &(growing){0}, sizeof *slots);
        if (out_of_memory) return NULL;
        slots = (void *)out->slots.data;
        growing *fresh = &slots[out->used];
        while (fresh->columns.size < columns * sizeof(column) && !out_of_memory) {
            pelton_append(&fresh->columns, &(column){{0}, {0}, {0}}, sizeof(column));
        }
        if (out_of_memory) return NULL;
        fresh->sink = index, fresh->kind = kind, fresh->count = 0, fresh->has_headers = false;
        fresh->origin.size = fresh->header_ends.size = 0;
        column *each = (void *)fresh->columns.data;
        for (size_t n = 0; n < columns; n++) each[n].validity.size = each[n].ends.size = each[n].data.size = 0;
        *open = (uint32_t)++out->used;
    }
    growing *output = &slots[*open - 1];
    pelton_append(&output->origin, &out->index, sizeof out->index);
    output->count++;
    return output;
}

void pelton_forward(pelton_out *out, const pelton_sink *sink) {
    add_item(out, sink, FORWARD, 0);
}

enum { KEYS, VALUES, HEADER_NAMES, HEADER_VALUES, MESSAGE_COLUMNS };

void pelton_send(pelton_out *out, const pelton_sink *sink, pelton_message message) {
    growing *output = add_item(out, sink, MESSAGES, MESSAGE_COLUMNS);
    if (!output) return;
    column *columns = (void *)output->columns.data;
    push_nullable(&columns[KEYS], message.key);
    push_nullable(&columns[VALUES], message.value);
    if (message.header_count == 0 && !output->has_headers) return;
    for (size_t n = 0; n < message.header_count; n++) {
        pelton_bytes name = message.headers[n].name;
        if (pelton_utf8(name) < name.size) mistake(out, sink, "the name of a header is not UTF-8");
        push_item(&columns[HEADER_NAMES], name);
        push_nullable(&columns[HEADER_VALUES], message.headers[n].value);
    }
    uint32_t end = (uint32_t)(columns[HEADER_NAMES].ends.size / sizeof(uint32_t)), none = 0;
    for (uint32_t n = 1; n < output->count && !output->has_headers; n++) {
        pelton_append(&output->header_ends, &none, sizeof none);
    }
    pelton_append(&output->header_ends, &end, sizeof end);
    output->has_headers = true;
}

/* Whether a value is what its column takes, for one that is not null. */
static bool fits(const pelton_value *value, pelton_type type) {
    if (value->kind != types[type].kind) return false;
    if (value->kind == PELTON_V_TEXT) return pelton_utf8(value->as.bytes) == value->as.bytes.size;
    return type != PELTON_UUID || value->as.bytes.size == 16;
}

static void mistake_in_row(pelton_out *out, const pelton_sink *sink, size_t n, const pelton_value *value) {
    pelton_type type = row_type(sink, n);
    char place[160], is[32];
    if (sink->table) snprintf(place, sizeof place, "column `%s`", sink->columns[n].name);
    else snprintf(place, sizeof place, "placeholder %zu", n + 1);
    if (value->kind != types[type].kind) snprintf(is, sizeof is, "%s", made_by[value->kind]);
    else if (type == PELTON_UUID) snprintf(is, sizeof is, "%zu", value->as.bytes.size);
    else snprintf(is, sizeof is, "what is not UTF-8");
    mistake(out, sink, "%s is %s, not %s", place, types[type].takes, is);
}

void pelton_row_of(pelton_out *out, const pelton_sink *sink, const pelton_value *values, size_t count) {
    size_t wanted = row_length(sink);
    growing *output = add_item(out, sink, ROWS, wanted);
    if (!output) return;
    if (count != wanted) {
        mistake(out, sink, "a row has %zu values, not %zu", wanted, count);
        return;
    }
    column *columns = (void *)output->columns.data;
    for (size_t n = 0; n < count; n++) {
        const pelton_value *value = &values[n];
        pelton_type type = row_type(sink, n);
        bool is_null = value->kind == PELTON_V_NULL;
        if (!is_null && !fits(value, type)) {
            mistake_in_row(out, sink, n, value);
            return;
        }
        push_validity(&columns[n].validity, output->count - 1, !is_null);
        if (types[type].tag == PACKED) push_item(&columns[n], is_null ? pelton_str("") : value->as.bytes);
        else pelton_append(&columns[n].data, is_null ? &(int64_t){0} : (const void *)&value->as, types[type].size);
    }
}

/* === One batch === */

static list as_list(const pelton_buffer *buffer) {
    return (list){buffer->data, buffer->size};
}

static packed as_packed(const column *column) {
    return (packed){as_list(&column->ends), as_list(&column->data)};
}

static nullable_packed as_nullable(const column *column) {
    return (nullable_packed){as_list(&column->validity), as_packed(column)};
}

/* One output as the contract has it; `columns` has room for the columns of a row. */
static output finish_output(const growing *from, column_data *columns) {
    const column *each = (const void *)from->columns.data;
    output to = {.tag = (uint8_t)from->kind, .sink = from->sink, .origin = as_list(&from->origin)};
    if (from->kind == MESSAGES) {
        to.as.messages.keys = as_nullable(&each[KEYS]);
        to.as.messages.values = as_nullable(&each[VALUES]);
        to.as.messages.has_headers = from->has_headers;
        to.as.messages.headers = (headers){as_list(&from->header_ends), as_packed(&each[HEADER_NAMES]),
                                           as_nullable(&each[HEADER_VALUES])};
    }
    if (from->kind == ROWS) {
        const pelton_sink *sink = pelton_job.sinks[from->sink];
        size_t count = row_length(sink);
        for (size_t n = 0; n < count; n++) {
            pelton_type type = row_type(sink, n);
            columns[n] = (column_data){.validity = as_list(&each[n].validity), .tag = types[type].tag};
            if (types[type].tag == PACKED) columns[n].data.packed = as_packed(&each[n]);
            else columns[n].data.plain = as_list(&each[n].data);
        }
        to.as.columns = (list){columns, count};
    }
    return to;
}

/* The answer to a batch in which nothing failed; false when memory runs out. */
static bool finish(pelton_out *out) {
    size_t columns = 0, rejects = out->rejects.size / sizeof(rejected);
    const growing *slots = (const void *)out->slots.data;
    for (size_t n = 0; n < out->used; n++) columns += slots[n].columns.size / sizeof(column);
    out->outputs.size = out->columns.size = out->rejections.size = 0;
    if (!pelton_reserve(&out->outputs, out->used * sizeof(output)) ||
        !pelton_reserve(&out->columns, columns * sizeof(column_data)) ||
        !pelton_reserve(&out->rejections, rejects * sizeof(reject))) return false;
    column_data *at = (void *)out->columns.data;
    for (size_t n = 0; n < out->used; n++) {
        ((output *)(void *)out->outputs.data)[n] = finish_output(&slots[n], at);
        at += slots[n].columns.size / sizeof(column);
    }
    const rejected *verdicts = (const void *)out->rejects.data;
    for (size_t n = 0; n < rejects; n++) {
        uint32_t start = n ? verdicts[n - 1].end : 0;
        ((reject *)(void *)out->rejections.data)[n] =
            (reject){verdicts[n].index, {out->reasons.data + start, verdicts[n].end - start}};
    }
    answer.as.ok.outputs = (list){out->outputs.data, out->used};
    answer.as.ok.rejects = (list){out->rejections.data, rejects};
    return true;
}

static void process_batch(const batch *batch, pelton_out *out) {
    out->used = out->rejects.size = out->reasons.size = out->failure_size = 0;
    out->has_failed = out_of_memory = false;
    out->sink_count = (uint32_t)count_sinks();
    out->open.size = 0;
    if (pelton_reserve(&out->open, out->sink_count * sizeof(uint32_t))) {
        memset(out->open.data, 0, out->sink_count * sizeof(uint32_t));
    }
    if (!is_configured) set_failure(out, "process was called before configure succeeded");
    for (uint32_t index = 0; index < batch->offsets.count / sizeof(int64_t) && !out->has_failed && !out_of_memory; index++) {
        pelton_record record = read_record(batch, index);
        out->record = &record, out->index = index, out->is_rejected = false;
        if (!pelton_job.process(&record, out) && !out->is_rejected && !out->has_failed) {
            pelton_fail(out, "process returned false without pelton_reject or pelton_fail");
        }
        if (out_of_memory) set_failure(out, "out of memory (at offset %lld)", (long long)record.offset);
    }
    if (!out->has_failed && !finish(out)) set_failure(out, "out of memory for the outputs of the batch");
}

EXPORT("pelton:job/task@0.1.0#process") const void *pelton_task_process(const void *batch) {
    static pelton_out out;
    process_batch(batch, &out);
    free_inputs();
    answer.is_error = out.has_failed;
    if (out.has_failed) answer.as.error = (list){out.failure, out.failure_size};
    return &answer;
}
