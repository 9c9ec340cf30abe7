/* Run by `sh test.sh`. What is expected is what `pelton test` prints. */
#include "job.c"
#include "sdk/pelton_test.h"

int main(void) {
    pelton_expect(NULL, "{\"message\": {\"temperature\": 30}}", "");
    const char *const hot = "{\"record\": 0, \"sink\": \"hot\", \"forward\": true}\n";
    pelton_expect(NULL, "{\"message\": {\"temperature\": 30.1}}", hot);
    pelton_expect(NULL, "{\"message\": {}}",
                  "{\"record\": 0, \"reject\": \"missing field `temperature` in `message`\"}\n");
    const char *const settings[] = {"above=26.5", NULL};
    pelton_expect(settings, "{\"message\": {\"temperature\": 27}}", hot);
    const char *const wrong[] = {"above=warm", NULL};
    pelton_expect(wrong, "{}", "parameter `above`: cannot read `warm` as a number");
    return 0;
}
