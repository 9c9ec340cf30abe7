/* What both sensor jobs must make of good, odd and bad readings, and of random damage. For their tests. */
#define GOOD                                                                                              \
    "{\"message_id\": \"0a1b\", \"sensor_id\": 7, \"message\": {\"temperature\": 30.5, \"pressure\": 1000.12}, " \
    "\"timestamp\": \"2024-05-02T10:11:12.123456+00:00\"}"

/* GOOD with one part of it replaced; lives until the next call. */
static const char *with(const char *part, const char *replacement) {
    static pelton_buffer text;
    const char *at = strstr(GOOD, part);
    text.size = 0;
    pelton_append(&text, GOOD, (size_t)(at - GOOD));
    pelton_appendf(&text, "%s%s", replacement, at + strlen(part));
    pelton_append(&text, "", 1);
    return text.data;
}

static void expect_reject(const char *value, const char *reason) {
    pelton_buffer lines = {0};
    pelton_appendf(&lines, "{\"record\": 0, \"reject\": ");
    pelton_test_quote(&lines, reason, strlen(reason));
    pelton_append(&lines, "}\n", 3);
    pelton_expect(NULL, value, lines.data);
    free(lines.data);
}

static void test_rejects(void) {
    static const char *const cases[][3] = {
        {"0a1b", "\\ud800", "`message_id` is not valid Unicode: \"\\ud800\""},
        {"0a1b", "\\ud800\\u0041", "`message_id` is not valid Unicode: \"\\ud800\\u0041\""},
        {"0a1b", "0\\u0000", "`message_id` holds a NUL character"},
        {"\"0a1b\"", "12", "`message_id` is not a string: 12"},
        {"1000.12", "\"\\u0000\"", "`message` holds a NUL character"},
        {"sensor_id", "sensor", "missing field `sensor_id` in value"},
        {"temperature", "heat", "missing field `temperature` in `message`"},
        {"7,", "7.5,", "`sensor_id` is not an integer: 7.5"},
        {"7,", "2147483648,", "`sensor_id` is beyond the range of INT: 2147483648"},
        {"7,", "-99999999999999999999,", "`sensor_id` is beyond the range of INT: -99999999999999999999"},
        {"30.5", "\"30.5\"", "`temperature` is not a number: \"30.5\""},
        {"30.5", "1e999", "`temperature` is beyond the range of a double: 1e999"},
        {"30.5", "NaN", "value is not JSON: expected a value at line 1 column 67"},
        {"30.5", "01", "value is not JSON: expected `,` or `}` at line 1 column 68"},
        {"+00:00", "", "`timestamp` is not a time with offset (RFC 3339): \"2024-05-02T10:11:12.123456\""},
        {"05-02", "02-30", "`timestamp` is not a time with offset (RFC 3339): \"2024-02-30T10:11:12.123456+00:00\""},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) expect_reject(with(cases[n][0], cases[n][1]), cases[n][2]);
    expect_reject("hello", "value is not JSON: expected a value at line 1 column 1");
    expect_reject("{\"a\": 1,\n \"b\" 2}", "value is not JSON: expected `:` at line 2 column 6");
    expect_reject("{} x", "value is not JSON: expected nothing more at line 1 column 4");
    expect_reject("[]", "value is not a JSON object");
    expect_reject("{}", "missing field `message_id` in value");
    expect_reject("{\"a\": \"\xff\"}", "value is not UTF-8: invalid at byte 7");
    pelton_buffer deep = {0};
    for (int n = 0; n < 100000; n++) pelton_append(&deep, "[", 1);
    pelton_append(&deep, "", 1);
    expect_reject(deep.data, "value is not JSON: expected no deeper nesting at line 1 column 130");
    free(deep.data);
}

/* The number of an alert is printed as Python's `repr`, and its strings as `json.dumps` does. */
static inline void test_alerts(void) {
    static const char *const cases[][3] = {
        {"30.5", "31", "31.0"},         {"30.5", "3.05e1", "30.5"},       {"30.5", "1e16", "1e+16"},
        {"30.5", "31.50", "31.5"},      {"30.5", "123456.7e-3", "123.4567"}, {"30.5", "1.5e300", "1.5e+300"},
        {"30.5", "30.000000000000004", "30.000000000000004"}, {"30.5", "1e15", "1000000000000000.0"},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        pelton_buffer wanted = {0};
        pelton_appendf(&wanted, "temperature\\\": %s, \\\"alert", cases[n][2]);
        const char *lines = pelton_test(NULL, &(pelton_test_record){.value = pelton_str(with(cases[n][0], cases[n][1]))}, 1);
        if (!strstr(lines, wanted.data)) fprintf(stderr, "expected %s in %s\n", wanted.data, lines), exit(1);
        free(wanted.data);
    }
    const char *lines = pelton_test(NULL, &(pelton_test_record){.value = pelton_str(with("0a1b", "\\u00e9é\\n\\ud83d\\ude00\\/"))}, 1);
    if (!strstr(lines, "\\\\u00e9\\\\u00e9\\\\n\\\\ud83d\\\\ude00/")) fprintf(stderr, "found %s\n", lines), exit(1);
}

/* Random damage ends in an output or a reject, never in a failure; the sanitizers watch. Each record is a block of its
 * own, so that a byte read beyond it is noticed. */
static void test_mutations(void) {
    static const char odd[] = "\"\\{}[]:,0-.eE+tfnu\x01\x80\xff\xc3 \n";
    uint64_t random = 88172645463325252u;
    for (int round = 0; round < 20000; round++) {
        size_t size = sizeof GOOD - 1;
        char *value = malloc(size);
        memcpy(value, GOOD, size);
        for (int n = 0; n < 3; n++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            if (random >> 60 == 0) size = 1 + random % size;
            else value[random % size] = odd[(random >> 32) % (sizeof odd - 1)];
        }
        char *exact = malloc(size);
        memcpy(exact, value, size);
        const char *lines = pelton_test(NULL, &(pelton_test_record){.value = {exact, size}}, 1);
        if (strstr(lines, "\"failure\"")) fprintf(stderr, "%.*s gave %s\n", (int)size, exact, lines), exit(1);
        free(value);
        free(exact);
    }
}
