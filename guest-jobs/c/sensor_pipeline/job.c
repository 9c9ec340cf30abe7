/* The article's `postgres_sink.py`: every reading becomes a row of `raw_sensors_data`, readings above a temperature
 * become alerts too. */
#include "../../sdk/c/pelton_json.h"

static const pelton_sink ALERTS = {.topic = "alerts"};
static const pelton_sink READINGS = {
    .table = "raw_sensors_data",
    .columns = PELTON_COLUMNS({"message_id", PELTON_VARCHAR}, {"sensor_id", PELTON_INT4}, {"message", PELTON_TEXT},
                              {"timestamp", PELTON_TIMESTAMPTZ}),
    .conflict = PELTON_IGNORE,
    .key = PELTON_KEY("message_id"),
};

static double threshold, temperature;
static int32_t sensor_id;
static int64_t microseconds;
static pelton_bytes message_id, message, timestamp;
static const pelton_field READING[] = {
    {"message_id", .text = &message_id}, {"sensor_id", .int4 = &sensor_id}, {"message", .object = &message},
    {"message.temperature", .float8 = &temperature}, {"timestamp", .text = &timestamp, .timestamptz = &microseconds},
};

static bool configure(pelton_parameters *parameters) {
    return pelton_get_double(parameters, "threshold", &threshold);
}

static bool process(const pelton_record *record, pelton_out *out) {
    static pelton_buffer alert;
    if (!pelton_fields(record, out, READING)) return false;
    pelton_row(out, &READINGS, pelton_text(message_id), pelton_int4(sensor_id), pelton_text(message),
               pelton_int8(microseconds));
    if (temperature <= threshold) return true;
    alert.size = 0;
    pelton_dumps_text(&alert, "message_id", message_id);
    pelton_dumps_int(&alert, "sensor_id", sensor_id);
    pelton_dumps_float(&alert, "temperature", temperature);
    pelton_dumps_text(&alert, "alert", pelton_str("High temperature detected"));
    pelton_dumps_text(&alert, "timestamp", timestamp);
    pelton_send(out, &ALERTS, (pelton_message){.key = record->key, .value = pelton_dumps_end(&alert)});
    return true;
}

const pelton_spec pelton_job = {
    .name = "sensor_pipeline",
    .version = "0.1.0",
    .description = "every reading to raw_sensors_data, alerts on readings above a temperature",
    .sources = PELTON_SOURCES({"sensors"}),
    .sinks = PELTON_SINKS(&READINGS, &ALERTS),
    .parameters = PELTON_PARAMETERS({"threshold", "degrees Celsius above which a reading is an alert", "30"}),
    .configure = configure,
    .process = process,
};
