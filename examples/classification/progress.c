/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum { BAR_LEAST = 4, BAR_MOST = 24, LINE = 256 };

progress progress_make(FILE *file, bool terminal, int64_t print_freq)
{
    return (progress){.file = file, .terminal = terminal, .print_freq = print_freq};
}

void progress_begin_epoch(
    progress *p, int64_t epoch, int64_t epochs, int64_t steps, int64_t steps_after)
{
    p->epoch = epoch;
    p->epochs = epochs;
    p->steps = steps;
    p->steps_after = steps_after;
    p->started = app_seconds();
    p->last_drawn = 0.0;
}

void progress_clear(progress *p)
{
    if (p->bar_shown)
        fputs("\r\033[K", p->file);
    p->bar_shown = false;
    fflush(p->file);
}

/* 75 -> "1:15", 4000 -> "1:06:40" */
static const char *clock_text(double seconds, char *text, size_t size)
{
    long long s = seconds > 0.0 && seconds < 1e9 ? (long long)(seconds + 0.5) : 0;
    if (s >= 3600)
        snprintf(text, size, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, size, "%lld:%02lld", s / 60, s % 60);
    return text;
}

/* Columns that a line may have on the terminal, so that \r brings the cursor back to its beginning:
 * one less than there are, as some terminals go to the next row after the last one. Asked each
 * time: windows change. */
static int columns(FILE *file)
{
    struct winsize size = {0};
    const char *text = getenv("COLUMNS");
    long n = 0;
    if (ioctl(fileno(file), TIOCGWINSZ, &size) == 0)
        n = size.ws_col;
    if (n < 1 && text != NULL)
        n = strtol(text, NULL, 10);
    if (n < 1)
        n = 80;
    return n < LINE ? (int)n - 1 : LINE - 1;
}

/* Instead of the line that is there. */
static void draw_line(progress *p, const char *line, int width)
{
    fprintf(p->file, "\r\033[K%.*s", width, line);
    p->bar_shown = true;
    fflush(p->file);
}

/* The bar takes what the numbers leave; where that is too little it is left out, and at last the
 * line is cut. */
static void draw_bar(progress *p, const step_report *r)
{
    char head[64], tail[LINE], bar[BAR_MOST + 4] = "", line[LINE + 128], eta[24];
    double now = app_seconds(), mean = (now - p->started) / (double)r->step;
    int width = columns(p->file), room;
    if (now - p->last_drawn < 0.1 && r->step != p->steps)
        return;
    p->last_drawn = now;
    snprintf(head, sizeof head, "epoch %lld (%lld of %lld) ", (long long)p->epoch,
        (long long)p->epoch + 1, (long long)p->epochs);
    snprintf(tail, sizeof tail, "%lld/%lld  %.1f ms/step  ETA %s  CE %.4f  top-1 %.2f",
        (long long)r->step, (long long)p->steps, 1e3 * r->step_seconds,
        clock_text(mean * (double)(p->steps - r->step + p->steps_after), eta, sizeof eta),
        r->mean_ce_loss, r->top1);
    room = width - (int)(strlen(head) + strlen(tail)) - 3; /* "[" and "] " */
    if (room > BAR_MOST)
        room = BAR_MOST;
    if (room >= BAR_LEAST) {
        size_t filled = (size_t)(r->step * room / p->steps);
        bar[0] = '[';
        memset(bar + 1, ' ', (size_t)room);
        memset(bar + 1, '#', filled);
        memcpy(bar + 1 + room, "] ", 3);
    }
    snprintf(line, sizeof line, "%s%s%s", head, bar, tail);
    draw_line(p, line, width);
}

void progress_step(progress *p, const step_report *r)
{
    if (p->terminal) {
        draw_bar(p, r);
    } else if (r->step % p->print_freq == 0) {
        fprintf(p->file,
            "Epoch [%lld][%lld/%lld] Lr: %.3g Time: %.4f CE_loss: %.4f (%.4f) CR_loss: %.4f Acc@1: "
            "%.2f "
            "Acc@5: %.2f\n",
            (long long)p->epoch, (long long)r->step, (long long)p->steps, r->lr, r->step_seconds,
            r->ce_loss, r->mean_ce_loss, r->compression_loss, r->top1, r->top5);
        fflush(p->file);
    }
}

void progress_note(progress *p, const char *what)
{
    char line[LINE];
    if (!p->terminal)
        return;
    snprintf(line, sizeof line, "%s ...", what);
    draw_line(p, line, columns(p->file));
}

/* A column of the row: "-" where there is nothing to tell, fewer digits where the number is too
 * long for its column. */
static void cell(FILE *file, int width, int digits, double value)
{
    char text[32] = "-";
    if (isfinite(value))
        while (snprintf(text, sizeof text, "%.*f", digits, value) > width && digits > 0)
            digits--;
    fprintf(file, " %*s", width, text);
}

/* 79 columns, as long as an epoch takes less than an hour. */
void progress_end_epoch(progress *p, const epoch_metrics *m, double train_top5)
{
    char spent[24];
    progress_clear(p);
    if (!p->header_shown)
        fprintf(p->file,
            "                  loss         train         test         sparsity     ms a\n"
            "epoch      lr     CE     RB  top-1 top-5  top-1 top-5 target actual  step  time\n");
    p->header_shown = true;
    fprintf(p->file, "%5lld %7.2g", (long long)m->epoch, m->lr);
    cell(p->file, 6, 4, m->ce_loss);
    cell(p->file, 6, 4, m->compression_loss);
    cell(p->file, 6, 2, m->train_top1);
    cell(p->file, 5, 1, train_top5);
    cell(p->file, 6, 2, m->test_top1);
    cell(p->file, 5, 1, m->test_top5);
    cell(p->file, 6, 4, m->sparsity_target);
    cell(p->file, 6, 4, m->sparsity_actual);
    cell(p->file, 5, 1, 1e3 * m->step_seconds_median);
    fprintf(p->file, " %5s\n", clock_text(app_seconds() - p->started, spent, sizeof spent));
    fflush(p->file);
}
