/* Passes on the words that are longer than a parameter says. */
#include "sdk/pelton.h"

static const pelton_sink LONG_WORDS = {.topic = "long_words"};

static int64_t longest;

static bool configure(pelton_parameters *parameters) {
    return pelton_get_integer(parameters, "longest", &longest);
}

/* Called with one record at a time. To drop one is to emit nothing. */
static bool process(const pelton_record *record, pelton_out *out) {
    pelton_bytes word;
    if (!pelton_record_text(record, out, &word)) return false;
    if (memchr(word.data, ' ', word.size)) return pelton_reject(out, "more than one word");
    if ((int64_t)word.size > longest) pelton_forward(out, &LONG_WORDS);
    return true;
}

const pelton_spec pelton_job = {
    .name = "{{name}}",
    .version = "0.1.0",
    .description = "{{description}}",
    .sources = PELTON_SOURCES({"words"}),
    .sinks = PELTON_SINKS(&LONG_WORDS),
    .parameters = PELTON_PARAMETERS({"longest", "words of up to so many bytes are dropped", "4"}),
    .configure = configure,
    .process = process,
};
