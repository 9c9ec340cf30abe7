/* Alerts on readings above a temperature: the filter of the article's job. */
#include "../sensors.h"

static const pelton_sink ALERTS = {.topic = "alerts"};

static double threshold;

static bool configure(pelton_parameters *parameters) {
    return pelton_get_double(parameters, "threshold", &threshold);
}

static bool process(const pelton_record *record, pelton_out *out) {
    reading reading;
    if (!read_reading(record, out, &reading)) return false;
    if (reading.temperature > threshold) send_alert(record, out, &ALERTS, &reading);
    return true;
}

const pelton_spec pelton_job = {
    .name = "sensor_alerts",
    .version = "0.1.0",
    .description = "alerts on readings above a temperature",
    .sources = PELTON_SOURCES({"sensors"}),
    .sinks = PELTON_SINKS(&ALERTS),
    .parameters = PELTON_PARAMETERS({"threshold", "degrees Celsius above which a reading is an alert", "30"}),
    .configure = configure,
    .process = process,
};
