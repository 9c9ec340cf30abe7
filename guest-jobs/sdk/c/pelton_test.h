/*
 * Runs a job natively over records given in a test, through pelton.c and the contract's own layout: a host in the test's
 * process, for a compiler with sanitizers. Only tests need this file. Include it once, in a program of one source:
 *
 *     #include "job.c"
 *     #include "sdk/pelton_test.h"
 *
 *     int main(void) {
 *         pelton_expect((const char *[]){"bytes=4", NULL}, "longer", "{\"record\": 0, \"sink\": \"loud\", \"forward\": true}\n");
 *     }
 *
 * The answer is text: the lines that `pelton test` prints, apart from bytes that are not UTF-8 (`?` for each) and from
 * times (numbers, as the contract counts them).
 */
#ifndef PELTON_TEST_H
#define PELTON_TEST_H

#include "pelton.c"
#include "pelton_dumps.c"
#include "pelton_json.c"
#include "pelton_time.c"

/* A record for a job: partition 0, offsets from 0. Start with `{0}` for a tombstone without key. */
typedef struct pelton_test_record {
    pelton_bytes key, value;
    const pelton_header *headers;
    size_t header_count;
    int64_t timestamp; /* 0: it has none */
} pelton_test_record;

static pelton_buffer pelton_test_lines, pelton_test_metrics;

static void pelton_test_quote(pelton_buffer *to, const void *text, size_t size) {
    const char *bytes = text;
    pelton_append(to, "\"", 1);
    for (size_t at = 0, valid = pelton_utf8((pelton_bytes){bytes, size}); at < size; at++) {
        unsigned char byte = (unsigned char)bytes[at];
        if (at >= valid) {
            pelton_append(to, "?", 1);
            valid = at + 1 + pelton_utf8((pelton_bytes){bytes + at + 1, size - at - 1});
        } else if (byte == '"' || byte == '\\') pelton_appendf(to, "\\%c", byte);
        else if (byte == '\n') pelton_append(to, "\\n", 2);
        else if (byte < ' ') pelton_appendf(to, "\\u%04x", byte);
        else pelton_append(to, &byte, 1);
    }
    pelton_append(to, "\"", 1);
}

static void pelton_test_bytes(pelton_buffer *to, pelton_bytes bytes) {
    if (bytes.data) pelton_test_quote(to, bytes.data, bytes.size);
    else pelton_append(to, "null", 4);
}

void pelton_host_log(int32_t level, const char *text, size_t size) {
    static const char *const names[] = {"trace", "debug", "info", "warn", "error"};
    pelton_appendf(&pelton_test_lines, "{\"log\": \"%s\", \"message\": ", names[level]);
    pelton_test_quote(&pelton_test_lines, text, size);
    pelton_append(&pelton_test_lines, "}\n", 2);
}

void pelton_host_count(const char *name, size_t size, uint64_t increment) {
    pelton_appendf(&pelton_test_metrics, "{\"metric\": \"%.*s\", \"value\": %llu}\n", (int)size, name,
                   (unsigned long long)increment);
}

void pelton_host_gauge(const char *name, size_t size, double value) {
    pelton_appendf(&pelton_test_metrics, "{\"metric\": \"%.*s\", \"value\": %g}\n", (int)size, name, value);
}

/* A value of a row, in the words of JSON. */
static void pelton_test_value(pelton_buffer *to, const column_data *column, pelton_type type, size_t row) {
    const uint8_t *bits = column->validity.items;
    const void *items = column->data.plain.items;
    if (column->validity.count && !(bits[row / 8] >> row % 8 & 1)) {
        pelton_append(to, "null", 4);
        return;
    }
    switch (column->tag) {
    case BOOLEANS: pelton_appendf(to, ((const uint8_t *)items)[row] ? "true" : "false"); break;
    case INT16S: pelton_appendf(to, "%d", ((const int16_t *)items)[row]); break;
    case INT32S: pelton_appendf(to, "%d", (int)((const int32_t *)items)[row]); break;
    case INT64S: pelton_appendf(to, "%lld", (long long)((const int64_t *)items)[row]); break;
    case FLOAT32S: pelton_appendf(to, "%.7g", ((const float *)items)[row]); break;
    case FLOAT64S: pelton_appendf(to, "%.15g", ((const double *)items)[row]); break;
    default: {
        pelton_bytes bytes = item(&column->data.packed, row);
        if (type != PELTON_BYTEA && type != PELTON_UUID) {
            pelton_test_bytes(to, bytes);
            break;
        }
        pelton_append(to, "\"", 1);
        for (size_t n = 0; n < bytes.size; n++) pelton_appendf(to, "%02x", (unsigned char)bytes.data[n]);
        pelton_append(to, "\"", 1);
    }
    }
}

static void pelton_test_message(pelton_buffer *to, const output *output, size_t n) {
    const headers *headers = &output->as.messages.headers;
    pelton_appendf(to, "\"key\": ");
    pelton_test_bytes(to, nullable_item(&output->as.messages.keys, n));
    pelton_appendf(to, ", \"value\": ");
    pelton_test_bytes(to, nullable_item(&output->as.messages.values, n));
    size_t first = output->as.messages.has_headers && n ? u32_at(&headers->ends, n - 1) : 0;
    size_t end = output->as.messages.has_headers ? u32_at(&headers->ends, n) : 0;
    for (size_t at = first; at < end; at++) {
        pelton_appendf(to, at == first ? ", \"headers\": [[" : ", [");
        pelton_test_bytes(to, item(&headers->names, at));
        pelton_append(to, ", ", 2);
        pelton_test_bytes(to, nullable_item(&headers->values, at));
        pelton_appendf(to, at + 1 == end ? "]]" : "]");
    }
}

static void pelton_test_output(pelton_buffer *to, const output *output, size_t n, size_t record) {
    const pelton_sink *sink = pelton_job.sinks[output->sink];
    pelton_appendf(to, "{\"record\": %zu, \"sink\": \"%s\", ", record, sink_name(sink));
    if (output->tag == FORWARD) pelton_appendf(to, "\"forward\": true");
    if (output->tag == MESSAGES) pelton_test_message(to, output, n);
    if (output->tag == ROWS) {
        const column_data *columns = output->as.columns.items;
        pelton_appendf(to, "\"row\": {");
        for (size_t at = 0; at < output->as.columns.count; at++) {
            if (sink->table) pelton_appendf(to, "%s\"%s\": ", at ? ", " : "", sink->columns[at].name);
            else pelton_appendf(to, "%s\"%zu\": ", at ? ", " : "", at + 1);
            pelton_test_value(to, &columns[at], row_type(sink, at), n);
        }
        pelton_append(to, "}", 1);
    }
    pelton_append(to, "}\n", 2);
}

/* What the answer says of one record: by sink, then in the order in which the job emitted it; then the verdict. */
static void pelton_test_record_lines(pelton_buffer *to, size_t index, size_t record) {
    const output *outputs = answer.as.ok.outputs.items;
    const reject *rejects = answer.as.ok.rejects.items;
    for (uint32_t sink = 0; sink < count_sinks(); sink++) {
        for (size_t at = 0; at < answer.as.ok.outputs.count; at++) {
            const list *origin = &outputs[at].origin;
            for (size_t n = 0; n < origin->count / sizeof(uint32_t) && outputs[at].sink == sink; n++) {
                if (u32_at(origin, n) == index) pelton_test_output(to, &outputs[at], n, record);
            }
        }
    }
    for (size_t at = 0; at < answer.as.ok.rejects.count; at++) {
        if (rejects[at].index != index) continue;
        pelton_appendf(to, "{\"record\": %zu, \"reject\": ", record);
        pelton_test_quote(to, rejects[at].reason.items, rejects[at].reason.count);
        pelton_append(to, "}\n", 2);
    }
}

/* Hands over one batch, and its halves where it fails, as the host does. */
static void pelton_test_batch(pelton_buffer *to, const pelton_test_record *records, size_t first, size_t count) {
    column keys = {0}, values = {0}, names = {0}, header_values = {0};
    pelton_buffer ends = {0}, offsets = {0}, timestamps = {0};
    for (size_t n = first; n < first + count; n++) {
        push_nullable(&keys, records[n].key);
        push_nullable(&values, records[n].value);
        pelton_append(&offsets, &(int64_t){(int64_t)n}, sizeof(int64_t));
        pelton_append(&timestamps, &(int64_t){records[n].timestamp ? records[n].timestamp : -1}, sizeof(int64_t));
        for (size_t at = 0; at < records[n].header_count; at++) {
            push_item(&names, records[n].headers[at].name);
            push_nullable(&header_values, records[n].headers[at].value);
        }
        pelton_append(&ends, &(uint32_t){(uint32_t)(names.ends.size / sizeof(uint32_t))}, sizeof(uint32_t));
    }
    batch batch = {
        .offsets = as_list(&offsets), .timestamps = as_list(&timestamps),
        .keys = as_nullable(&keys), .values = as_nullable(&values),
        .has_headers = pelton_job.sources && pelton_job.sources[0].headers,
        .headers = {as_list(&ends), as_packed(&names), as_nullable(&header_values)},
    };
    pelton_task_process(&batch);
    pelton_buffer *buffers[] = {&keys.validity, &keys.ends, &keys.data, &values.validity, &values.ends, &values.data,
                                &names.ends, &names.data, &header_values.validity, &header_values.ends,
                                &header_values.data, &ends, &offsets, &timestamps};
    for (size_t n = 0; n < sizeof buffers / sizeof *buffers; n++) free(buffers[n]->data);
    if (answer.is_error && count > 1) {
        pelton_test_batch(to, records, first, count / 2);
        pelton_test_batch(to, records, first + count / 2, count - count / 2);
    } else if (answer.is_error) {
        pelton_appendf(to, "{\"record\": %zu, \"failure\": ", first);
        pelton_test_quote(to, answer.as.error.items, answer.as.error.count);
        pelton_append(to, "}\n", 2);
    } else {
        for (size_t n = 0; n < count; n++) pelton_test_record_lines(to, n, first + n);
    }
}

/* Configures the job, and hands it the records. Settings are `name=value` up to a NULL, or NULL; the others have their
 * defaults. Gives the lines, which live until the next call; where `configure` fails, its reason. */
static const char *pelton_test(const char *const *settings, const pelton_test_record *records, size_t count) {
    setting given[256];
    size_t used = 0;
    for (const pelton_parameter *parameter = pelton_job.parameters; parameter && parameter->name && used < 256; parameter++) {
        /* A declaration, of which no host tells the job. */
        if (!strcmp(parameter->name, "pelton.remembers")) continue;
        given[used] = (setting){text_list(parameter->name), text_list(parameter->fallback)};
        for (size_t n = 0; settings && settings[n]; n++) {
            size_t size = strlen(parameter->name);
            if (strncmp(settings[n], parameter->name, size) || settings[n][size] != '=') continue;
            given[used].value = text_list(settings[n] + size + 1);
        }
        used++;
    }
    static pelton_buffer answers;
    pelton_test_lines.size = pelton_test_metrics.size = answers.size = 0;
    pelton_task_describe();
    pelton_task_configure(given, used);
    if (answer.is_error) pelton_append(&answers, answer.as.error.items, answer.as.error.count);
    else pelton_test_batch(&answers, records, 0, count);
    pelton_append(&pelton_test_lines, answers.data, answers.size);
    pelton_append(&pelton_test_lines, pelton_test_metrics.data, pelton_test_metrics.size);
    pelton_append(&pelton_test_lines, "", 1);
    return pelton_test_lines.data;
}

/* Ends the program with a message unless the job makes these lines of these records:
 * `pelton_expect_records(settings, records, count, lines)`. */
#define pelton_expect_records(...) pelton_expect_lines(__FILE__, __LINE__, __VA_ARGS__)

/* The same of one value: `pelton_expect(settings, value, lines)`. */
#define pelton_expect(...) pelton_expect_value(__FILE__, __LINE__, __VA_ARGS__)

static inline void pelton_expect_lines(const char *file, int line, const char *const *settings,
                                       const pelton_test_record *records, size_t count, const char *lines) {
    const char *found = pelton_test(settings, records, count);
    if (strcmp(found, lines) == 0) return;
    fprintf(stderr, "%s:%d: expected:\n%s\nfound:\n%s\n", file, line, lines, found);
    exit(1);
}

static inline void pelton_expect_value(const char *file, int line, const char *const *settings, const char *value,
                                       const char *lines) {
    pelton_expect_lines(file, line, settings, &(pelton_test_record){.value = pelton_str(value)}, 1, lines);
}

#endif
