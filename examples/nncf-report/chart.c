/* SPDX-License-Identifier: Apache-2.0 */
#include "chart.h"

#include <math.h>
#include <string.h>

enum {
    STYLES = 6,
    MOST_MARKERS = 12, /* of a line; more would hide its dashes */
    PANEL_MARKERS = 5
};

static const char *const dashes[STYLES] = {"", "8 4", "2 3", "10 3 2 3", "14 5", "1 4"};

void html(FILE *file, const char *text)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", file);
            break;
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '"':
            fputs("&quot;", file);
            break;
        default:
            fputc(*text, file);
        }
}

const char *shortly(double value, char text[32])
{
    const double size = fabs(value);
    if (!isfinite(value))
        snprintf(text, 32, "–");
    else if (size >= 1e6 && size < 1e9)
        snprintf(text, 32, "%.4gM", value / 1e6);
    else if (size >= 1e4 && size < 1e6)
        snprintf(text, 32, "%.4gk", value / 1e3);
    else
        snprintf(text, 32, "%.4g", value);
    return text;
}

/* ---- places ---- */

typedef struct plane {
    double width, height, left, right, top, bottom; /* of the picture, and its margins */
    double x_low, x_high, y_low, y_high;
} plane;

static double place_x(const plane *p, double x)
{
    return p->left + (x - p->x_low) / (p->x_high - p->x_low) * (p->width - p->left - p->right);
}

static double place_y(const plane *p, double y)
{
    return p->height - p->bottom -
        (y - p->y_low) / (p->y_high - p->y_low) * (p->height - p->top - p->bottom);
}

/* 1, 2 or 5 times a power of ten, so that about n of them make the range; at least two of its
 * multiples lie in the range. */
static double tick_step(double low, double high, int n)
{
    for (;; n++) {
        const double raw = (high - low) / n, power = pow(10.0, floor(log10(raw))),
                     digit = raw / power,
                     step = power *
            (digit <= 1.0          ? 1.0
                    : digit <= 2.0 ? 2.0
                    : digit <= 5.0 ? 5.0
                                   : 10.0);
        if (floor(high / step + 1e-9) - ceil(low / step - 1e-9) >= 1.0)
            return step;
    }
}

static void begin(FILE *file, const plane *p, const char *title)
{
    fprintf(file, "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"", p->width, p->height);
    html(file, title);
    fputs("\">", file);
}

static void axes(FILE *file, const plane *p, const char *x_label, const char *y_label, bool panel)
{
    const double x_end = p->width - p->right, y_end = p->height - p->bottom;
    double step = tick_step(p->y_low, p->y_high, panel ? 2 : 5);
    char text[32];
    for (double y = ceil(p->y_low / step - 1e-9) * step; y <= p->y_high + 1e-9 * step; y += step)
        fprintf(file,
            "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/><text class=\"y\" x=\"%.1f\" "
            "y=\"%.1f\">%s</text>",
            p->left, place_y(p, y), x_end, p->left - 4, place_y(p, y) + 3.5,
            shortly(fabs(y) < 1e-9 * step ? 0.0 : y, text));
    step = tick_step(p->x_low, p->x_high, panel ? 3 : 7);
    if (strcmp(x_label, "epoch") == 0 && step < 1.0)
        step = 1.0;
    for (double x = ceil(p->x_low / step - 1e-9) * step; x <= p->x_high + 1e-9 * step; x += step)
        fprintf(file,
            "<path class=\"tick\" d=\"M%.1f %.1fv3\"/><text class=\"x\" x=\"%.1f\" "
            "y=\"%.1f\">%s</text>",
            place_x(p, x), y_end, place_x(p, x), y_end + 13,
            shortly(fabs(x) < 1e-9 * step ? 0.0 : x, text));
    fprintf(
        file, "<path class=\"axis\" d=\"M%.1f %.1fV%.1fH%.1f\"/>", p->left, p->top, y_end, x_end);
    fprintf(file, "<text class=\"x\" x=\"%.1f\" y=\"%.1f\">", (p->left + x_end) / 2, p->height - 3);
    html(file, x_label);
    fprintf(file, "</text><text class=\"l\" transform=\"translate(%d %.1f) rotate(-90)\">", 11,
        (p->top + y_end) / 2);
    html(file, y_label);
    fputs("</text>", file);
}

/* ---- lines ---- */

static void marker(FILE *file, int style, double x, double y)
{
    static const char *const shapes[STYLES] = {
        "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0", /* circle */
        "m-3 -3h6v6h-6z", /* square */
        "m0 -4l4 7h-8z", /* triangle */
        "m0 -4.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z", /* diamond */
        "m-3 -3l6 6m0 -6l-6 6", /* cross */
        "m-4 0h8m-4 -4v8"}; /* plus */
    fprintf(file, "<path class=\"m s%d\" d=\"M%.1f %.1f%s\"/>", style, x, y, shapes[style]);
}

static void line_class(FILE *file, int style, bool thin)
{
    if (style < 0)
        fputs("class=\"line base\"", file);
    else if (thin)
        fprintf(file, "class=\"line thin s%d\" stroke-dasharray=\"%s\"", style % STYLES,
            dashes[style % STYLES]);
    else
        fprintf(file, "class=\"line s%d\" stroke-dasharray=\"%s\"", style % STYLES,
            dashes[style % STYLES]);
}

static void draw_line(FILE *file, const plane *p, const chart_line *l, size_t markers)
{
    bool open = false;
    const size_t every = (l->count + markers - 1) / markers;
    fputs("<path ", file);
    line_class(file, l->style, l->thin);
    fputs(" d=\"", file);
    for (size_t i = 0; i < l->count; i++) {
        if (!isfinite(l->y[i]) || !isfinite(l->x[i]))
            continue; /* epochs without a test: the line goes to the next one with it */
        fprintf(file, "%c%.1f %.1f", open ? 'L' : 'M', place_x(p, l->x[i]), place_y(p, l->y[i]));
        open = true;
    }
    fputs(open ? "\"><title>" : "M0 0\"><title>", file);
    html(file, l->name);
    fputs("</title></path>", file);
    for (size_t i = 0; !l->thin && l->style >= 0 && i < l->count; i++)
        if (isfinite(l->y[i]) && isfinite(l->x[i]) && (i % every == 0 || i + 1 == l->count))
            marker(file, l->style % STYLES, place_x(p, l->x[i]), place_y(p, l->y[i]));
}

/* Room for all values; false: there are none. */
static bool fit(plane *p, const chart *c)
{
    p->x_low = p->y_low = INFINITY;
    p->x_high = p->y_high = -INFINITY;
    for (size_t k = 0; k < c->count; k++)
        for (size_t i = 0; i < c->lines[k].count; i++) {
            const double x = c->lines[k].x[i], y = c->lines[k].y[i];
            if (!isfinite(x) || !isfinite(y))
                continue;
            p->x_low = fmin(p->x_low, x);
            p->x_high = fmax(p->x_high, x);
            p->y_low = fmin(p->y_low, y);
            p->y_high = fmax(p->y_high, y);
        }
    if (p->x_low > p->x_high)
        return false;
    const double margin = p->y_high > p->y_low ? 0.06 * (p->y_high - p->y_low)
        : p->y_low != 0.0                      ? 0.1 * fabs(p->y_low)
                                               : 1.0;
    const bool above = p->y_low >= 0.0;
    p->y_low -= margin;
    p->y_high += margin;
    if (above && p->y_low < 0.0)
        p->y_low = 0.0;
    if (p->x_low == p->x_high) {
        p->x_low -= 0.5;
        p->x_high += 0.5;
    }
    if (isfinite(c->y_low))
        p->y_low = c->y_low;
    if (isfinite(c->y_high))
        p->y_high = c->y_high;
    return true;
}

void chart_key(FILE *file, int style, bool thin)
{
    fputs("<svg class=\"key\" viewBox=\"0 0 34 12\" aria-hidden=\"true\"><path ", file);
    line_class(file, style, thin);
    fputs(" d=\"M1 6H33\"/>", file);
    if (style >= 0 && !thin)
        marker(file, style % STYLES, 17, 6);
    fputs("</svg>", file);
}

static void caption(FILE *file, const char *title, const char *note)
{
    fputs("<figcaption>", file);
    html(file, title);
    if (note != NULL) {
        fputs(" <small>", file);
        html(file, note);
        fputs("</small>", file);
    }
    fputs("</figcaption>", file);
}

void chart_lines(FILE *file, const chart *c)
{
    plane p = {.width = 420, .height = 260, .left = 60, .right = 10, .top = 8, .bottom = 34};
    if (c->panel)
        p = (plane){.width = 260, .height = 132, .left = 54, .right = 8, .top = 8, .bottom = 32};
    fputs(c->panel ? "<figure class=\"panel\">" : "<figure>", file);
    caption(file, c->title, c->note);
    if (!fit(&p, c)) {
        fputs("<p>There are no values.</p></figure>\n", file);
        return;
    }
    begin(file, &p, c->title);
    axes(file, &p, c->x_label, c->y_label, c->panel);
    for (size_t i = c->count; i-- > 0;) /* the first lies on top */
        draw_line(file, &p, &c->lines[i], c->panel ? PANEL_MARKERS : MOST_MARKERS);
    fputs("</svg>", file);
    if (!c->panel) {
        fputs("<ul class=\"legend\">", file);
        for (size_t i = 0; i < c->count; i++) {
            fputs("<li>", file);
            chart_key(file, c->lines[i].style, c->lines[i].thin);
            html(file, c->lines[i].name);
            fputs("</li>", file);
        }
        fputs("</ul>", file);
    }
    fputs("</figure>\n", file);
}

/* ---- histograms ---- */

/* Share of all values of the histogram in a unit of x. */
static double density(const bins *b, size_t i)
{
    double total = 0.0;
    for (size_t k = 0; k < b->count; k++)
        total += b->counts[k];
    return total > 0.0 ? b->counts[i] / total / (b->high - b->low) * (double)b->count : 0.0;
}

static void draw_bins(FILE *file, const plane *p, const bins *b, bool filled)
{
    const double width = (b->high - b->low) / (double)b->count;
    fputs("<path ", file);
    line_class(file, b->style, false);
    fprintf(file, " style=\"%s\" d=\"M%.1f %.1f",
        filled ? "fill:currentColor;fill-opacity:.25" : "", place_x(p, b->low), place_y(p, 0.0));
    for (size_t i = 0; i < b->count; i++)
        fprintf(file, "V%.1fH%.1f", place_y(p, density(b, i)),
            place_x(p, b->low + width * (double)(i + 1)));
    fprintf(file, "V%.1f\"><title>", place_y(p, 0.0));
    html(file, b->name);
    fputs("</title></path>", file);
}

/* The levels where there is room to see them, else the ends of the range. */
static void draw_grid(FILE *file, const plane *p, const bins *b)
{
    const double step = (b->grid_high - b->grid_low) / (b->grid_levels - 1.0),
                 apart = place_x(p, b->grid_low + step) - place_x(p, b->grid_low);
    fputs("<path ", file);
    line_class(file, b->style, true);
    fputs(" d=\"", file);
    if (apart >= 4.0)
        for (int i = 0; i < (int)b->grid_levels; i++)
            fprintf(file, "M%.1f %.1fV%.1f", place_x(p, b->grid_low + i * step), p->top,
                p->height - p->bottom);
    else
        fprintf(file, "M%.1f %.1fV%.1fM%.1f %.1fV%.1f", place_x(p, b->grid_low), p->top,
            p->height - p->bottom, place_x(p, b->grid_high), p->top, p->height - p->bottom);
    fputs("\"><title>", file);
    html(file, b->name);
    fputs(apart >= 4.0 ? ": levels</title></path>" : ": ends of the range</title></path>", file);
}

void chart_histograms(
    FILE *file, const char *title, const char *const *notes, const bins *all, size_t count)
{
    plane p = {.width = 260,
        .height = 132,
        .left = 54,
        .right = 8,
        .top = 8,
        .bottom = 32,
        .x_low = INFINITY,
        .x_high = -INFINITY};
    fputs("<figure class=\"panel\">", file);
    caption(file, title, NULL);
    for (size_t k = 0; k < count; k++) {
        p.x_low = fmin(p.x_low, fmin(all[k].low, all[k].grid_low));
        p.x_high = fmax(p.x_high, fmax(all[k].high, all[k].grid_high));
        for (size_t i = 0; i < all[k].count; i++)
            p.y_high = fmax(p.y_high, density(&all[k], i));
    }
    p.y_high = p.y_high > 0.0 ? 1.05 * p.y_high : 1.0;
    const double margin = 0.03 * (p.x_high - p.x_low);
    p.x_low -= margin;
    p.x_high += margin;
    begin(file, &p, title);
    axes(file, &p, "weight", "density", true);
    for (size_t k = count; k-- > 0;)
        draw_bins(file, &p, &all[k], k == 0);
    for (size_t k = 0; k < count; k++)
        if (all[k].grid_high > all[k].grid_low)
            draw_grid(file, &p, &all[k]);
    fputs("</svg>", file);
    for (size_t k = 0; k < count; k++) {
        fputs("<small>", file);
        if (count > 1)
            chart_key(file, all[k].style, false);
        html(file, notes[k]);
        fputs("</small>", file);
    }
    fputs("</figure>\n", file);
}

void chart_bar(FILE *file, double share, int style)
{
    const double width = isfinite(share) && share > 0.0 ? 100.0 * fmin(share, 1.0) : 0.0;
    fprintf(file,
        "<svg class=\"bar\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" "
        "aria-hidden=\"true\"><rect class=\"%s%d\" width=\"%.2f\" height=\"8\"/></svg>",
        style < 0 ? "f" : "s", style < 0 ? 0 : style % STYLES, width);
}
