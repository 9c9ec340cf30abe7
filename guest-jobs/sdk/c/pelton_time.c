/* Times as RFC 3339 writes them, with or without a fraction: Python leaves it out where it is zero. */
#include "pelton_json.h"

static bool time_two_digits(const char *text, int64_t *number) {
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9') return false;
    *number = (text[0] - '0') * 10 + (text[1] - '0');
    return true;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar from year 1. Years are counted from March, so that the leap
 * day is the last day of one. */
static int64_t time_days_since_1970(int64_t year, int64_t month, int64_t day) {
    if (month <= 2) year--;
    return year * 365 + year / 4 - year / 100 + year / 400 + (153 * ((month + 9) % 12) + 2) / 5 + day - 1 - 719468;
}

bool pelton_microseconds(pelton_bytes time, int64_t *result) {
    const char *text = time.data, *end = text + time.size, *at = text + 19;
    int64_t century, year, month, day, hour, minute, second, fraction = 0, offset = 0;
    if (time.size < 20 || text[4] != '-' || text[7] != '-' || ((text[10] | 0x20) != 't' && text[10] != ' ') ||
        text[13] != ':' || text[16] != ':' || !time_two_digits(text, &century) || !time_two_digits(text + 2, &year) ||
        !time_two_digits(text + 5, &month) || !time_two_digits(text + 8, &day) || !time_two_digits(text + 11, &hour) ||
        !time_two_digits(text + 14, &minute) || !time_two_digits(text + 17, &second)) {
        return false;
    }
    year += century * 100;
    if (*at == '.') {
        const char *digits = ++at;
        for (int64_t unit = 100000; at < end && *at >= '0' && *at <= '9'; unit /= 10) fraction += (*at++ - '0') * unit;
        if (at == digits) return false;
    }
    if (end - at == 6 && (*at == '+' || *at == '-') && at[3] == ':') {
        int64_t hours, minutes;
        if (!time_two_digits(at + 1, &hours) || !time_two_digits(at + 4, &minutes)) return false;
        if (hours > 23 || minutes > 59) return false;
        offset = (hours * 60 + minutes) * (*at == '-' ? -1 : 1);
    } else if (end - at != 1 || (*at | 0x20) != 'z') {
        return false;
    }
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    int64_t month_days = month == 2 ? 28 + is_leap : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > month_days) return false;
    if (hour > 23 || minute > 59 || second > 60) return false;
    int64_t minutes_since_1970 = (time_days_since_1970(year, month, day) * 24 + hour) * 60 + minute - offset;
    *result = (minutes_since_1970 * 60 + second) * 1000000 + fraction;
    return true;
}
