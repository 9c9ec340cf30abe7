/* Run by `sh test.sh`. What is expected is what `pelton test` prints, with times as numbers. */
#include "job.c"
#include "sdk/pelton_test.h"

#define READING(sensor) "{\"message_id\": \"a\", \"sensor_id\": " sensor ", \"message\": {\"temperature\": 27.5}, " \
                        "\"timestamp\": \"1970-01-01T01:00:02+01:00\"}"

int main(void) {
    pelton_expect(NULL, READING("4"),
                  "{\"record\": 0, \"sink\": \"readings\", \"row\": {\"message_id\": \"a\", \"sensor_id\": 4, "
                  "\"temperature\": 27.5, \"message\": \"{\\\"temperature\\\": 27.5}\", \"timestamp\": 2000000}}\n");
    pelton_expect(NULL, READING("\"four\""),
                  "{\"record\": 0, \"reject\": \"`sensor_id` is not an integer: \\\"four\\\"\"}\n");
    pelton_expect(NULL, "{\"sensor_id\": 4}", "{\"record\": 0, \"reject\": \"missing field `message_id` in value\"}\n");
    return 0;
}
