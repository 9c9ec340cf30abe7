/* Run by `sh test.sh`. What is expected is what `pelton test` prints. */
#include "job.c"
#include "sdk/pelton_test.h"

int main(void) {
    const char *const to_hot = "{\"record\": 0, \"sink\": \"hot\", \"forward\": true}\n";
    const char *const to_mild = "{\"record\": 0, \"sink\": \"mild\", \"forward\": true}\n";
    pelton_expect(NULL, "{\"message\": {\"temperature\": 30.1}}", to_hot);
    pelton_expect(NULL, "{\"message\": {\"temperature\": 30}}", to_mild);
    pelton_expect(NULL, "{\"message\": {\"temperature\": 10}}", to_mild);
    pelton_expect(NULL, "{\"message\": {\"temperature\": 9.9}}",
                  "{\"record\": 0, \"sink\": \"cold\", \"forward\": true}\n");
    pelton_expect(NULL, "{\"message\": {}}",
                  "{\"record\": 0, \"reject\": \"missing field `temperature` in `message`\"}\n");
    const char *const settings[] = {"hot=9", "cold=5", NULL};
    pelton_expect(settings, "{\"message\": {\"temperature\": 10}}", to_hot);
    const char *const wrong[] = {"cold=31", NULL};
    pelton_expect(wrong, "{}", "`cold` is above `hot`");
    return 0;
}
