/* Writes each reading to a table of Postgres. */
#include "sdk/pelton_json.h"

static const pelton_sink READINGS = {
    .table = "readings",
    .columns = PELTON_COLUMNS({"message_id", PELTON_TEXT}, {"sensor_id", PELTON_INT4}, {"temperature", PELTON_FLOAT8},
                              {"message", PELTON_JSONB}, {"timestamp", PELTON_TIMESTAMPTZ}),
    .conflict = PELTON_IGNORE,
    .key = PELTON_KEY("message_id"),
};

static pelton_bytes message_id, message;
static int32_t sensor_id;
static double temperature;
static int64_t timestamp;
static const pelton_field READING[] = {
    {"message_id", .text = &message_id},
    {"sensor_id", .int4 = &sensor_id},
    {"message.temperature", .float8 = &temperature},
    {"message", .object = &message},
    {"timestamp", .timestamptz = &timestamp},
};

static bool process(const pelton_record *record, pelton_out *out) {
    if (!pelton_fields(record, out, READING)) return false;
    pelton_row(out, &READINGS, pelton_text(message_id), pelton_int4(sensor_id), pelton_float8(temperature),
               pelton_text(message), pelton_int8(timestamp));
    return true;
}

const pelton_spec pelton_job = {
    .name = "{{name}}",
    .version = "0.1.0",
    .description = "{{description}}",
    .sources = PELTON_SOURCES({"sensors"}),
    .sinks = PELTON_SINKS(&READINGS),
    .process = process,
};
