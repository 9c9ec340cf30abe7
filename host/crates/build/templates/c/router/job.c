/* Passes each reading on to the topic that its temperature says. */
#include "sdk/pelton_json.h"

static const pelton_sink HOT = {.topic = "hot"};
static const pelton_sink MILD = {.topic = "mild"};
static const pelton_sink COLD = {.topic = "cold"};

static double hot, cold, temperature;
static const pelton_field READING[] = {{"message.temperature", .float8 = &temperature}};

static bool configure(pelton_parameters *parameters) {
    if (!pelton_get_double(parameters, "hot", &hot) || !pelton_get_double(parameters, "cold", &cold)) return false;
    return cold <= hot || pelton_refuse(parameters, "`cold` is above `hot`");
}

static bool process(const pelton_record *record, pelton_out *out) {
    if (!pelton_fields(record, out, READING)) return false;
    pelton_forward(out, temperature > hot ? &HOT : temperature < cold ? &COLD : &MILD);
    return true;
}

const pelton_spec pelton_job = {
    .name = "{{name}}",
    .version = "0.1.0",
    .description = "{{description}}",
    .sources = PELTON_SOURCES({"sensors"}),
    .sinks = PELTON_SINKS(&HOT, &MILD, &COLD),
    .parameters = PELTON_PARAMETERS({"hot", "degrees Celsius above which a reading is hot", "30"},
                                    {"cold", "degrees Celsius below which it is cold", "10"}),
    .configure = configure,
    .process = process,
};
