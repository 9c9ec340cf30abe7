/* JSON as Python's json.dumps prints it. */
#include "pelton_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* How many bytes at the start are printed as they stand: printable ASCII, no quote, no backslash. Eight at a time. */
static inline size_t json_printed(const char *bytes, size_t size) {
    const uint64_t ones = 0x0101010101010101u, highs = ones << 7;
    size_t at = 0;
    for (; size - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, 8);
        uint64_t odd = word | (word - ones * ' ') | ((word ^ ones * '"') - ones) | ((word ^ ones * '\\') - ones);
        odd |= (word ^ ones * 0x7f) - ones;
        if (odd & highs) break;
    }
    while (at < size && bytes[at] >= ' ' && bytes[at] <= '~' && bytes[at] != '"' && bytes[at] != '\\') at++;
    return at;
}

/* Prints a string as json.dumps does: quoted, with everything but printable ASCII escaped. The text is UTF-8. */
static void json_append_string(pelton_buffer *to, pelton_bytes text) {
    const unsigned char *at = (const unsigned char *)text.data, *end = at + text.size, *plain = at;
    pelton_append(to, "\"", 1);
    while ((at += json_printed((const char *)at, (size_t)(end - at))) < end) {
        pelton_append(to, plain, (size_t)(at - plain));
        const char *kind = *at ? strchr("\"\\\n\r\t\b\f", *at) : NULL;
        if (kind && *at < 0x80) {
            pelton_appendf(to, "\\%c", "\"\\nrtbf"[kind - strchr("\"\\\n\r\t\b\f", '"')]);
            plain = ++at;
            continue;
        }
        size_t more = *at < 0x80 ? 0 : *at < 0xE0 ? 1 : *at < 0xF0 ? 2 : 3;
        uint32_t code = more ? *at & (0x3Fu >> more) : *at;
        for (size_t n = 1; n <= more; n++) code = code << 6 | (at[n] & 0x3F);
        if (code >= 0x10000) {
            code -= 0x10000;
            unsigned high = 0xD800 + (code >> 10), low = 0xDC00 + (code & 0x3FF);
            pelton_appendf(to, "\\u%04x\\u%04x", high, low);
        } else {
            pelton_appendf(to, "\\u%04x", (unsigned)code);
        }
        plain = at += more + 1;
    }
    pelton_append(to, plain, (size_t)(at - plain));
    pelton_append(to, "\"", 1);
}

static void json_append_name(pelton_buffer *to, const char *name) {
    pelton_append(to, to->size ? ", " : "{", to->size ? 2 : 1);
    size_t size = strlen(name);
    if (json_printed(name, size) == size && pelton_reserve(to, size + 4)) {
        /* Most names are such. */
        to->data[to->size++] = '"';
        pelton_append(to, name, size);
        pelton_append(to, "\": ", 3);
        return;
    }
    json_append_string(to, (pelton_bytes){name, size});
    pelton_append(to, ": ", 2);
}

/* Adds an integer with at least so many digits. */
static void json_append_digits(pelton_buffer *to, uint64_t number, int least) {
    char digits[20], *first = digits + sizeof digits;
    do *--first = (char)('0' + number % 10), number /= 10, least--;
    while (number || least > 0);
    pelton_append(to, first, (size_t)(digits + sizeof digits - first));
}

/* Makes the number whose digits are printed the next larger one of as many digits, in size; false where that has one more. */
static bool json_next_digits(char *digits) {
    for (char *at = strchr(digits, 'e') - 1; at >= digits && *at != '-'; at--) {
        if (*at == '.') continue;
        if (++*at <= '9') return true;
        *at = '0';
    }
    return false;
}

/* Prints a number as `repr(float)` does: the fewest digits that read back as the same, `30.0`, `1e-05`, `1e+16`. */
static void json_append_float(pelton_buffer *to, double number) {
    /* Of up to 15 digits no two say the same number: where one to three places are enough, these are the digits. */
    static const uint64_t units[] = {10, 100, 1000};
    double size = fabs(number);
    for (int places = 1; places <= 3 && size < 1e12 && (size >= 1e-3 || size == 0); places++) {
        uint64_t unit = units[places - 1], all = (uint64_t)(size * (double)unit + 0.5);
        if ((double)all / (double)unit != size) continue;
        if (signbit(number)) pelton_append(to, "-", 1);
        json_append_digits(to, all / unit, 1);
        pelton_append(to, ".", 1);
        json_append_digits(to, all % unit, places);
        return;
    }
    /* Where 15 digits read back as the same, the fewest are these without zeros at their end; but a number close to
     * zero has fewer. Above a power of two doubles lie half as dense as below: there the digits that are nearest may read
     * back as another number, and the next larger ones as this. */
    char digits[32];
    int precision = fabs(number) < 0x1p-1022 ? 1 : 15;
    for (;; precision++) {
        snprintf(digits, sizeof digits, "%.*e", precision - 1, number);
        if (precision == 17 || strtod(digits, NULL) == number) break;
        if (json_next_digits(digits) && strtod(digits, NULL) == number) break;
    }
    char *exponent = strchr(digits, 'e'), *last = exponent - 1;
    int ten = atoi(exponent + 1);
    for (; *last == '0' && precision > 1; last--) precision--;
    if (ten >= -4 && ten < 16) {
        pelton_appendf(to, "%.*f", precision - 1 - ten > 1 ? precision - 1 - ten : 1, number);
        return;
    }
    pelton_append(to, digits, (size_t)(last + (*last != '.') - digits));
    pelton_append(to, exponent, strlen(exponent));
}

void pelton_dumps_text(pelton_buffer *to, const char *name, pelton_bytes text) {
    json_append_name(to, name);
    json_append_string(to, text);
}

void pelton_dumps_int(pelton_buffer *to, const char *name, int64_t number) {
    json_append_name(to, name);
    if (number < 0) pelton_append(to, "-", 1);
    json_append_digits(to, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 1);
}

void pelton_dumps_float(pelton_buffer *to, const char *name, double number) {
    json_append_name(to, name);
    json_append_float(to, number);
}

void pelton_dumps_json(pelton_buffer *to, const char *name, pelton_bytes json) {
    json_append_name(to, name);
    pelton_append(to, json.data, json.size);
}

pelton_bytes pelton_dumps_end(pelton_buffer *to) {
    pelton_append(to, "{", to->size ? 0 : 1);
    pelton_append(to, "}", 1);
    return pelton_view(to);
}
