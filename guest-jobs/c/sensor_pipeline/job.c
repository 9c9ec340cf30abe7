/* The article's `postgres_sink.py`: every reading becomes a row of `raw_sensors_data`, readings above a temperature
 * become alerts too. */
#include "../sensors.h"

static const pelton_sink ALERTS = {.topic = "alerts"};
static const pelton_sink READINGS = {
    .table = "raw_sensors_data",
    .columns = PELTON_COLUMNS({"message_id", PELTON_VARCHAR}, {"sensor_id", PELTON_INT4}, {"message", PELTON_TEXT},
                              {"timestamp", PELTON_TIMESTAMPTZ}),
    .conflict = PELTON_IGNORE,
    .key = PELTON_KEY("message_id"),
};

static double threshold;

static bool configure(pelton_parameters *parameters) {
    return pelton_get_double(parameters, "threshold", &threshold);
}

static bool process(const pelton_record *record, pelton_out *out) {
    reading reading;
    if (!read_reading(record, out, &reading)) return false;
    pelton_row(out, &READINGS, pelton_text(reading.message_id), pelton_int4(reading.sensor_id),
               pelton_text(reading.message), pelton_int8(reading.microseconds));
    if (reading.temperature > threshold) send_alert(record, out, &ALERTS, &reading);
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
