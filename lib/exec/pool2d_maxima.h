/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maxima of a row of windows, for one kind of elements; pool2d.c includes this for each, after
 *   NAME(part)      what its functions are called
 *   ELEMENT         the type of what is compared
 *   NUMBER          the type of a tap's number
 *   LOWEST          what is never the larger of two
 *   GREATER(v, b)   whether v takes the place of b, the largest before it
 * which it undefines. Which of two is larger cannot be predicted, so no loop branches on it.
 */

/* One tap of n windows, whose pixels are neighbours; the compiler makes vectors of it. */
static void NAME(step)(const ELEMENT *restrict from, int64_t n, NUMBER tap, ELEMENT *restrict best,
    NUMBER *restrict at)
{
    for (int64_t o = 0; o < n; o++) {
        const ELEMENT v = from[o], most = best[o];
        const NUMBER place = at[o], other = (NUMBER)(place ^ tap);
        const bool better = GREATER(v, most);
        best[o] = better ? v : most;
        const NUMBER all = (NUMBER)(better ? -1 : 0);
        at[o] = (NUMBER)(place ^ (other & all));
    }
}

/* Strides of 1 and 2: a row of the plane becomes a line, or two of every second pixel, with LOWEST
 * beyond the plane's edges; then a tap's pixels are neighbours. */
static void NAME(line)(const window_row *r, const ELEMENT *restrict x, int64_t ox, int64_t n,
    int64_t width, ELEMENT *restrict best, NUMBER *restrict at)
{
    ELEMENT line[LINE], halves[2][LINE / 2 + SOME];
    const int64_t left = ox * r->stride - r->padding, before = max_i(-left, 0),
                  end = min_i(r->w - left, (n - 1) * r->stride + r->kernel);
    for (int64_t q = 0; q < LINE; q++)
        line[q] = LOWEST;
    for (int64_t i = r->y0; i < r->y1; i++) {
        if (end > before)
            memcpy(line + before, x + (i * r->w + left + before),
                (size_t)(end - before) * sizeof *line);
        for (int64_t q = 0; r->stride == 2 && q < LINE / 2; q++) {
            halves[0][q] = line[2 * q];
            halves[1][q] = line[2 * q + 1];
        }
        for (int64_t j = 0; j < r->kernel; j++) {
            const ELEMENT *from = r->stride == 2 ? halves[j % 2] + j / 2 : line + j;
            const NUMBER tap = (NUMBER)((i - r->top) * width + j);
            NAME(step)(from, round_up(n, SOME), tap, best, at);
        }
    }
}

/* n maxima from window ox on, and the numbers of their taps, of which a row of a window has
 * `width`: the first of equals, in the order of a window's elements. */
static void NAME(maxima)(const window_row *r, const ELEMENT *x, int64_t ox, int64_t n,
    int64_t width, ELEMENT best[COLUMNS], NUMBER at[COLUMNS])
{
    const int64_t above = (r->y0 - r->top) * width, outside = r->padding - ox * r->stride;
    for (int64_t o = 0; o < COLUMNS; o++) {
        best[o] = LOWEST;
        at[o] = (NUMBER)above;
    }
    for (int64_t o = 0; o < n && o * r->stride < outside; o++)
        at[o] = (NUMBER)(above + outside - o * r->stride);
    if (r->stride <= 2 && r->kernel <= MOST_WIDE) {
        NAME(line)(r, x, ox, n, width, best, at);
        return;
    }
    for (int64_t i = r->y0; i < r->y1; i++)
        for (int64_t j = 0; j < r->kernel; j++) {
            const int64_t before = r->padding - j,
                          first = max_i(ceil_div(before, r->stride) - ox, 0),
                          last = min_i(ceil_div(r->w + before, r->stride) - ox, n);
            for (int64_t o = first; o < last; o++) {
                const ELEMENT v = x[i * r->w + (ox + o) * r->stride - before];
                const bool better = GREATER(v, best[o]);
                best[o] = better ? v : best[o];
                at[o] = better ? (NUMBER)((i - r->top) * width + j) : at[o];
            }
        }
}

#undef NAME
#undef ELEMENT
#undef NUMBER
#undef LOWEST
#undef GREATER
