/* Run by `sh test.sh`. What is expected is what `pelton test` prints. */
#include "job.c"
#include "sdk/pelton_test.h"

int main(void) {
    pelton_expect(NULL, "four", "");
    pelton_expect(NULL, "longer", "{\"record\": 0, \"sink\": \"long_words\", \"forward\": true}\n");
    pelton_expect(NULL, "two words", "{\"record\": 0, \"reject\": \"more than one word\"}\n");
    pelton_expect(NULL, "", "{\"record\": 0, \"reject\": \"value is empty\"}\n");
    const char *const settings[] = {"longest=6", NULL};
    pelton_expect(settings, "longer", "");
    const char *const wrong[] = {"longest=many", NULL};
    pelton_expect(wrong, "longer", "parameter `longest`: cannot read `many` as a 64-bit integer");
    return 0;
}
