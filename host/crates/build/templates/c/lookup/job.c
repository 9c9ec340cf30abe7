/* Adds to each reading the site of its sensor, which a parameter says. */
#include "sdk/pelton_json.h"

#include <stdlib.h>

static const pelton_sink LOCATED = {.topic = "located"};

typedef struct site {
    int32_t sensor_id;
    pelton_bytes name;
} site;

/* By their sensors, once configured. */
static pelton_buffer sites;

static double temperature;
static int32_t sensor_id;
static const pelton_field READING[] = {
    {"sensor_id", .int4 = &sensor_id},
    {"message.temperature", .float8 = &temperature},
};

static int by_sensor(const void *one, const void *other) {
    int32_t a = ((const site *)one)->sensor_id, b = ((const site *)other)->sensor_id;
    return (a > b) - (a < b);
}

static bool add_site(pelton_bytes sensor, pelton_bytes name) {
    site added = {.name = name};
    for (size_t n = 0; n < sensor.size; n++) {
        if (sensor.data[n] < '0' || sensor.data[n] > '9' || n == 9) return false;
        added.sensor_id = added.sensor_id * 10 + (sensor.data[n] - '0');
    }
    pelton_append(&sites, &added, sizeof added);
    return true;
}

static bool configure(pelton_parameters *parameters) {
    pelton_bytes text;
    sites.size = 0;
    if (!pelton_get_text(parameters, "sites", &text)) return false;
    if (!pelton_members(text, add_site)) {
        return pelton_refuse(parameters, "parameter `sites` is no JSON object of sensors and their sites");
    }
    qsort(sites.data, sites.size / sizeof(site), sizeof(site), by_sensor);
    return true;
}

static bool process(const pelton_record *record, pelton_out *out) {
    static pelton_buffer located;
    if (!pelton_fields(record, out, READING)) return false;
    site wanted = {.sensor_id = sensor_id};
    const site *found = bsearch(&wanted, sites.data, sites.size / sizeof(site), sizeof(site), by_sensor);
    if (!found) return pelton_reject(out, "sensor %d has no site", (int)sensor_id);
    located.size = 0;
    pelton_dumps_int(&located, "sensor_id", sensor_id);
    pelton_dumps_text(&located, "site", found->name);
    pelton_dumps_float(&located, "temperature", temperature);
    pelton_send(out, &LOCATED, (pelton_message){.key = record->key, .value = pelton_dumps_end(&located)});
    return true;
}

const pelton_spec pelton_job = {
    .name = "{{name}}",
    .version = "0.1.0",
    .description = "{{description}}",
    .sources = PELTON_SOURCES({"sensors"}),
    .sinks = PELTON_SINKS(&LOCATED),
    .parameters = PELTON_PARAMETERS({"sites", "a JSON object: the site of each sensor", NULL}),
    .configure = configure,
    .process = process,
};
