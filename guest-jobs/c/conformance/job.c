/* Exercises every part of the contract: the value of a record is a command. */
#include "../../sdk/c/pelton.h"

#include <inttypes.h>
#include <stdio.h>

static const pelton_sink OUT = {.name = "out", .topic = "conformance_out"};
static const pelton_sink ROWS_OF_ALL = {
    .name = "rows",
    .table = "conformance_rows",
    .columns = PELTON_COLUMNS({"boolean", PELTON_BOOLEAN, true}, {"int2", PELTON_INT2, true},
                              {"int4", PELTON_INT4, true}, {"int8", PELTON_INT8, true},
                              {"float4", PELTON_FLOAT4, true}, {"float8", PELTON_FLOAT8, true},
                              {"numeric", PELTON_NUMERIC, true}, {"text", PELTON_TEXT, true},
                              {"varchar", PELTON_VARCHAR, true}, {"bytea", PELTON_BYTEA, true},
                              {"timestamptz", PELTON_TIMESTAMPTZ, true}, {"timestamp", PELTON_TIMESTAMP, true},
                              {"date", PELTON_DATE, true}, {"uuid", PELTON_UUID, true},
                              {"json", PELTON_JSON, true}, {"jsonb", PELTON_JSONB, true}),
};
static const pelton_sink NOTE = {
    .name = "note",
    .statement = "INSERT INTO notes (id, note) VALUES (?, ?)",
    .placeholders = PELTON_TYPES(PELTON_INT8, PELTON_TEXT),
};

enum { MAX_HEADERS = 64 };

static pelton_bytes prefix;
static int64_t limit, seen;

static bool configure(pelton_parameters *parameters) {
    return pelton_get_text(parameters, "prefix", &prefix) && pelton_get_integer(parameters, "limit", &limit);
}

/* Sends the record's coordinates with its own headers and one more. */
static bool echo(const pelton_record *record, pelton_out *out) {
    static pelton_buffer value;
    pelton_header headers[MAX_HEADERS + 1];
    uint32_t count = record->header_count;
    if (count > MAX_HEADERS) return pelton_reject(out, "more than %d headers", MAX_HEADERS);
    for (uint32_t n = 0; n < count; n++) headers[n] = pelton_record_header(record, n);
    headers[count] = (pelton_header){pelton_str("source"), pelton_str("0")};
    value.size = 0;
    pelton_append(&value, prefix.data, prefix.size);
    pelton_appendf(&value, "%" PRId32 "/%" PRId64 "@", record->partition, record->offset);
    if (record->timestamp == -1) pelton_appendf(&value, "-");
    else pelton_appendf(&value, "%" PRId64, record->timestamp);
    pelton_send(out, &OUT, (pelton_message){record->key, pelton_view(&value), headers, count + 1});
    return true;
}

static void send_row(pelton_out *out) {
    static const char uuid[] = "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
    pelton_row(out, &ROWS_OF_ALL, pelton_bool(true), pelton_int2(INT16_MIN), pelton_int4(INT32_MIN),
               pelton_int8(INT64_MIN), pelton_float4(1.5f), pelton_float8(0.1), pelton_text(pelton_str("-12.50")),
               pelton_text(pelton_str("é😀")), pelton_text(pelton_str("")),
               pelton_binary((pelton_bytes){"\x00\xff", 2}), pelton_int8(1714644672123456), pelton_int8(-1),
               pelton_int4(-719162), pelton_binary((pelton_bytes){uuid, 16}), pelton_text(pelton_str("{\"a\": 1}")),
               pelton_text(pelton_str("[]")));
}

/* More outputs of one record than a byte has bits: a batch that is halved can't hide a mistake in them. */
static void send_many(pelton_out *out) {
    for (int n = 0; n < 20; n++) {
        char digits[8];
        snprintf(digits, sizeof digits, "%d", n);
        pelton_bytes text = pelton_str(digits);
        pelton_header header = {pelton_str("n"), n % 2 ? PELTON_NULL : text};
        pelton_send(out, &OUT, (pelton_message){n % 3 ? text : PELTON_NULL, n < 9 || n >= 18 ? text : PELTON_NULL,
                                                &header, n < 10 ? 0 : 1});
        pelton_row(out, &NOTE, pelton_int8(n), n % 4 == 1 ? pelton_null() : pelton_text(text));
        if (n == 9 || n == 16) pelton_row_of(out, &ROWS_OF_ALL, (const pelton_value[16]){{0}}, 16);
        else send_row(out);
    }
    pelton_forward(out, &OUT);
    pelton_forward(out, &OUT);
    for (int n = 0; n < 9; n++) pelton_send(out, &OUT, (pelton_message){.key = PELTON_NULL});
}

static bool process(const pelton_record *record, pelton_out *out) {
    pelton_bytes text = record->value;
    seen++;
    if (!text.data) {
        pelton_send(out, &OUT, (pelton_message){.key = record->key, .value = pelton_str("null")});
        return true;
    }
    if (!pelton_record_text(record, out, &text)) return false;
#define IS(command) (text.size == sizeof(command) - 1 && !memcmp(text.data, command, sizeof(command) - 1))
    if (IS("forward")) pelton_forward(out, &OUT);
    if (IS("echo") && seen <= limit) return echo(record, out);
    if (IS("tombstone")) pelton_send(out, &OUT, (pelton_message){.key = record->key});
    if (IS("row")) send_row(out);
    if (IS("nulls")) pelton_row_of(out, &ROWS_OF_ALL, (const pelton_value[16]){{0}}, 16);
    if (IS("statement")) {
        pelton_bytes key;
        if (!pelton_record_key_text(record, out, &key)) return false;
        pelton_row(out, &NOTE, pelton_int8(record->offset), pelton_text(key));
    }
    if (IS("many")) send_many(out);
    if (IS("reject")) return pelton_reject(out, "asked to");
    if (IS("raise")) return pelton_fail(out, "raised on purpose");
    if (IS("log")) {
        static const char *const names[] = {"trace", "debug", "info", "warn", "error"};
        const char *article[] = {"a", "a", "an", "a", "an"};
        for (int n = PELTON_TRACE; n <= PELTON_ERROR; n++) pelton_log((pelton_level)n, "%s %s line", article[n], names[n]);
    }
    if (IS("metrics")) {
        pelton_count("conformance_count", 2);
        pelton_gauge("conformance_gauge", 0.5);
    }
    return true;
}

const pelton_spec pelton_job = {
    .name = "conformance",
    .version = "0.1.0",
    .description = "Exercises every part of the contract",
    .sources = PELTON_SOURCES({"conformance", .headers = true}),
    .sinks = PELTON_SINKS(&OUT, &ROWS_OF_ALL, &NOTE),
    .parameters = PELTON_PARAMETERS({"prefix", "text before each echo", ""},
                                    {"limit", "records after which the job stops echoing", "1000000"}),
    .configure = configure,
    .process = process,
};
