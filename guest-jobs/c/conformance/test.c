/* Run by ../test.sh: every command, in one batch and alone. */
#include "job.c"
#include "../../sdk/c/pelton_test.h"

static pelton_test_record command(const char *value) {
    return (pelton_test_record){.value = pelton_str(value)};
}

int main(void) {
    const pelton_header headers[] = {{pelton_str("a"), pelton_str("1")}, {pelton_str("a"), PELTON_NULL}};
    const char *const settings[] = {"prefix=p ", "limit=6", NULL}, *const many[] = {"limit=many", NULL};
    const pelton_test_record records[] = {
        command("forward"),
        {.value = pelton_str("echo"), .key = pelton_str("k"), .headers = headers, .header_count = 2, .timestamp = 5},
        command("reject"),
        {.value = pelton_str("tombstone"), .key = pelton_str("k")},
        {.key = pelton_str("k")},
        command("echo"),
        command("echo"),
        command("forward"),
    };
    pelton_expect_records(settings, records, 8,
                          "{\"record\": 0, \"sink\": \"out\", \"forward\": true}\n"
                          "{\"record\": 1, \"sink\": \"out\", \"key\": \"k\", \"value\": \"p 0/1@5\", "
                          "\"headers\": [[\"a\", \"1\"], [\"a\", null], [\"source\", \"0\"]]}\n"
                          "{\"record\": 2, \"reject\": \"asked to\"}\n"
                          "{\"record\": 3, \"sink\": \"out\", \"key\": \"k\", \"value\": null}\n"
                          "{\"record\": 4, \"sink\": \"out\", \"key\": \"k\", \"value\": \"null\"}\n"
                          "{\"record\": 5, \"sink\": \"out\", \"key\": null, \"value\": \"p 0/5@-\", "
                          "\"headers\": [[\"source\", \"0\"]]}\n"
                          "{\"record\": 7, \"sink\": \"out\", \"forward\": true}\n");
    pelton_expect(many, "echo", "parameter `limit`: cannot read `many` as a 64-bit integer");
    pelton_expect(NULL, "row",
                  "{\"record\": 0, \"sink\": \"rows\", \"row\": {\"boolean\": true, \"int2\": -32768, "
                  "\"int4\": -2147483648, \"int8\": -9223372036854775808, \"float4\": 1.5, \"float8\": 0.1, "
                  "\"numeric\": \"-12.50\", \"text\": \"é😀\", \"varchar\": \"\", \"bytea\": \"00ff\", "
                  "\"timestamptz\": 1714644672123456, \"timestamp\": -1, \"date\": -719162, "
                  "\"uuid\": \"00112233445566778899aabbccddeeff\", \"json\": \"{\\\"a\\\": 1}\", \"jsonb\": \"[]\"}}\n");
    pelton_expect(NULL, "nulls",
                  "{\"record\": 0, \"sink\": \"rows\", \"row\": {\"boolean\": null, \"int2\": null, \"int4\": null, "
                  "\"int8\": null, \"float4\": null, \"float8\": null, \"numeric\": null, \"text\": null, "
                  "\"varchar\": null, \"bytea\": null, \"timestamptz\": null, \"timestamp\": null, \"date\": null, "
                  "\"uuid\": null, \"json\": null, \"jsonb\": null}}\n");
    pelton_expect(NULL, "statement", "{\"record\": 0, \"sink\": \"note\", \"row\": {\"1\": 0, \"2\": null}}\n");
    pelton_test_record odd_key = {.value = pelton_str("statement"), .key = pelton_str("\xff")};
    pelton_expect_records(NULL, &odd_key, 1, "{\"record\": 0, \"reject\": \"key is not UTF-8: invalid at byte 0\"}\n");
    pelton_expect(NULL, "log",
                  "{\"log\": \"trace\", \"message\": \"a trace line\"}\n{\"log\": \"debug\", \"message\": \"a debug line\"}\n"
                  "{\"log\": \"info\", \"message\": \"an info line\"}\n{\"log\": \"warn\", \"message\": \"a warn line\"}\n"
                  "{\"log\": \"error\", \"message\": \"an error line\"}\n");
    pelton_expect(NULL, "metrics",
                  "{\"metric\": \"conformance_count\", \"value\": 2}\n{\"metric\": \"conformance_gauge\", \"value\": 0.5}\n");
    pelton_expect(NULL, "other", "");
    const pelton_test_record halved[] = {command("forward"), command("raise"), command("forward")};
    const char *lines = pelton_test(NULL, halved, 3);
    const char *wanted = "{\"record\": 0, \"sink\": \"out\", \"forward\": true}\n"
                         "{\"record\": 1, \"failure\": \"record at partition 0 offset 1: raised on purpose\\n    at process (job.c:";
    if (strncmp(lines, wanted, strlen(wanted)) || !strstr(lines, "{\"record\": 2, \"sink\": \"out\", \"forward\": true}\n")) {
        fprintf(stderr, "found %s\n", lines);
        return 1;
    }
    return 0;
}
