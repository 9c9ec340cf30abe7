/* Passes on the readings above a temperature. */
#include "sdk/pelton_json.h"

static const pelton_sink HOT = {.topic = "hot"};

static double above, temperature;
static const pelton_field READING[] = {{"message.temperature", .float8 = &temperature}};

static bool configure(pelton_parameters *parameters) {
    return pelton_get_double(parameters, "above", &above);
}

static bool process(const pelton_record *record, pelton_out *out) {
    if (!pelton_fields(record, out, READING)) return false;
    if (temperature > above) pelton_forward(out, &HOT);
    return true;
}

const pelton_spec pelton_job = {
    .name = "{{name}}",
    .version = "0.1.0",
    .description = "{{description}}",
    .sources = PELTON_SOURCES({"sensors"}),
    .sinks = PELTON_SINKS(&HOT),
    .parameters = PELTON_PARAMETERS({"above", "degrees Celsius", "30"}),
    .configure = configure,
    .process = process,
};
