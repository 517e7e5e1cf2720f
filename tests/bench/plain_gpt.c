/* SPDX-License-Identifier: Apache-2.0 */
/* A step of a GPT, as its formulas read: a loop an index, rows on the threads of OpenMP. Compiled
 * twice, PLAIN_STEP being the name. */
#include "plain_gpt.h"

#include <float.h>
#include <math.h>
#include <string.h>

#ifdef _OPENMP
#define ON_THREADS_OF(m) _Pragma("omp parallel for num_threads((m)->threads)")
#else
#define ON_THREADS_OF(m)
#endif

static int64_t rows_of(const plain_gpt *m)
{
    return m->s.batch * m->s.context;
}

/* ---- linear layers: y (rows, out) = x (rows, in) w^T + b ---- */

static void linear(
    const plain_gpt *m, const plain_layer *l, int64_t in, int64_t out, const float *x, float *y)
{
    ON_THREADS_OF(m)
    for (int64_t r = 0; r < rows_of(m); r++)
        for (int64_t o = 0; o < out; o++) {
            float sum = l->b[o];
            for (int64_t i = 0; i < in; i++)
                sum += x[r * in + i] * l->w[o * in + i];
            y[r * out + o] = sum;
        }
}

/* dx is written where `adds` is 0. */
static void linear_backward(const plain_gpt *m, const plain_layer *l, int64_t in, int64_t out,
    const float *x, const float *dy, float *dx, int adds)
{
    ON_THREADS_OF(m)
    for (int64_t r = 0; r < rows_of(m); r++) {
        if (!adds)
            memset(dx + r * in, 0, (size_t)in * sizeof *dx);
        for (int64_t o = 0; o < out; o++)
            for (int64_t i = 0; i < in; i++)
                dx[r * in + i] += dy[r * out + o] * l->w[o * in + i];
    }
    ON_THREADS_OF(m)
    for (int64_t o = 0; o < out; o++)
        for (int64_t r = 0; r < rows_of(m); r++) {
            l->db[o] += dy[r * out + o];
            for (int64_t i = 0; i < in; i++)
                l->dw[o * in + i] += dy[r * out + o] * x[r * in + i];
        }
}

/* ---- layer norm; stats: mean and 1 / deviation of each row ---- */

static void norm(const plain_gpt *m, const plain_layer *l, const float *x, float *y, float *stats)
{
    const int64_t n = m->s.width;
    ON_THREADS_OF(m)
    for (int64_t r = 0; r < rows_of(m); r++) {
        const float *row = x + r * n;
        float mean = 0, square = 0;
        for (int64_t i = 0; i < n; i++)
            mean += row[i];
        mean /= (float)n;
        for (int64_t i = 0; i < n; i++)
            square += (row[i] - mean) * (row[i] - mean);
        const float inverse = 1.0f / sqrtf(square / (float)n + 1e-5f);
        for (int64_t i = 0; i < n; i++)
            y[r * n + i] = (row[i] - mean) * inverse * l->w[i] + l->b[i];
        stats[2 * r] = mean;
        stats[2 * r + 1] = inverse;
    }
}

/* dx is added to. */
static void norm_backward(const plain_gpt *m, const plain_layer *l, const float *x,
    const float *stats, const float *dy, float *dx)
{
    const int64_t n = m->s.width;
    for (int64_t r = 0; r < rows_of(m); r++) {
        const float mean = stats[2 * r], inverse = stats[2 * r + 1];
        float sum = 0, product = 0;
        for (int64_t i = 0; i < n; i++) {
            const float normed = (x[r * n + i] - mean) * inverse, d = dy[r * n + i];
            l->dw[i] += d * normed;
            l->db[i] += d;
            sum += d * l->w[i];
            product += d * l->w[i] * normed;
        }
        sum /= (float)n;
        product /= (float)n;
        for (int64_t i = 0; i < n; i++) {
            const float normed = (x[r * n + i] - mean) * inverse;
            dx[r * n + i] += (dy[r * n + i] * l->w[i] - sum - normed * product) * inverse;
        }
    }
}

/* ---- causal attention of each head ---- */

static void attention(const plain_gpt *m, const plain_block *b)
{
    const int64_t n = m->s.width, T = m->s.context, heads = m->s.heads, size = n / heads;
    const float scale = 1.0f / sqrtf((float)size);
    ON_THREADS_OF(m)
    for (int64_t h = 0; h < m->s.batch * heads; h++) {
        const int64_t first = h / heads * T * n + h % heads * size;
        const float *q = b->queries + first, *k = b->keys + first, *v = b->values + first;
        float *y = b->mixed + first;
        for (int64_t t = 0; t < T; t++) {
            float *w = b->weights + (h * T + t) * T, highest = -FLT_MAX, sum = 0;
            for (int64_t u = 0; u <= t; u++) {
                float score = 0;
                for (int64_t i = 0; i < size; i++)
                    score += q[t * n + i] * k[u * n + i];
                w[u] = score * scale;
                highest = w[u] > highest ? w[u] : highest;
            }
            for (int64_t u = 0; u <= t; u++) {
                w[u] = expf(w[u] - highest);
                sum += w[u];
            }
            memset(y + t * n, 0, (size_t)size * sizeof *y);
            for (int64_t u = 0; u <= t; u++) {
                w[u] /= sum;
                for (int64_t i = 0; i < size; i++)
                    y[t * n + i] += w[u] * v[u * n + i];
            }
        }
    }
}

static void attention_backward(
    const plain_gpt *m, const plain_block *b, const float *dy, float *dq, float *dk, float *dv)
{
    const int64_t n = m->s.width, T = m->s.context, heads = m->s.heads, size = n / heads;
    const float scale = 1.0f / sqrtf((float)size);
    memset(dq, 0, (size_t)(rows_of(m) * n) * sizeof *dq);
    memset(dk, 0, (size_t)(rows_of(m) * n) * sizeof *dk);
    memset(dv, 0, (size_t)(rows_of(m) * n) * sizeof *dv);
    ON_THREADS_OF(m)
    for (int64_t h = 0; h < m->s.batch * heads; h++) {
        const int64_t first = h / heads * T * n + h % heads * size;
        for (int64_t t = 0; t < T; t++) {
            const float *w = b->weights + (h * T + t) * T, *g = dy + first + t * n;
            float dw[1024], sum = 0;
            for (int64_t u = 0; u <= t; u++) {
                const float *v = b->values + first + u * n;
                dw[u] = 0;
                for (int64_t i = 0; i < size; i++) {
                    dw[u] += g[i] * v[i];
                    dv[first + u * n + i] += w[u] * g[i];
                }
                sum += w[u] * dw[u];
            }
            for (int64_t u = 0; u <= t; u++) {
                const float d = w[u] * (dw[u] - sum) * scale;
                for (int64_t i = 0; i < size; i++) {
                    dq[first + t * n + i] += d * b->keys[first + u * n + i];
                    dk[first + u * n + i] += d * b->queries[first + t * n + i];
                }
            }
        }
    }
}

/* ---- gelu ---- */

static void gelu(const plain_gpt *m, int64_t n, const float *z, float *y)
{
    (void)m; /* without OpenMP */
    ON_THREADS_OF(m)
    for (int64_t i = 0; i < n; i++)
        y[i] = 0.5f * z[i] * (1.0f + erff(z[i] * 0.70710678f));
}

static void gelu_backward(const plain_gpt *m, int64_t n, const float *z, float *d)
{
    (void)m;
    ON_THREADS_OF(m)
    for (int64_t i = 0; i < n; i++)
        d[i] *= 0.5f * (1.0f + erff(z[i] * 0.70710678f)) +
            z[i] * expf(-0.5f * z[i] * z[i]) * 0.39894228f;
}

/* ---- the network ---- */

static void forward(plain_gpt *m)
{
    const int64_t n = m->s.width, rows = rows_of(m);
    float *x = m->s.blocks > 0 ? m->blocks[0].x : m->x;
    for (int64_t r = 0; r < rows; r++) {
        const float *character = m->table.w + m->ids[r] * n,
                    *place = m->table.w + (m->s.vocabulary + r % m->s.context) * n;
        for (int64_t i = 0; i < n; i++)
            x[r * n + i] = 0.5f * (character[i] + place[i]);
    }
    for (int64_t l = 0; l < m->s.blocks; l++) {
        const plain_block *b = &m->blocks[l];
        float *next = l + 1 < m->s.blocks ? m->blocks[l + 1].x : m->x;
        norm(m, &b->norm1, b->x, b->normed1, b->stats1);
        linear(m, &b->q, n, n, b->normed1, b->queries);
        linear(m, &b->k, n, n, b->normed1, b->keys);
        linear(m, &b->v, n, n, b->normed1, b->values);
        attention(m, b);
        linear(m, &b->out, n, n, b->mixed, b->middle);
        for (int64_t i = 0; i < rows * n; i++)
            b->middle[i] += b->x[i];
        norm(m, &b->norm2, b->middle, b->normed2, b->stats2);
        linear(m, &b->up, n, 4 * n, b->normed2, b->z);
        gelu(m, rows * 4 * n, b->z, b->hidden);
        linear(m, &b->down, 4 * n, n, b->hidden, next);
        for (int64_t i = 0; i < rows * n; i++)
            next[i] += b->middle[i];
    }
    norm(m, &m->norm, m->x, m->normed, m->stats);
    linear(m, &m->head, n, m->s.vocabulary, m->normed, m->logits);
}

/* The mean cross-entropy, and its gradient. */
static void loss(plain_gpt *m)
{
    const int64_t n = m->s.vocabulary, rows = rows_of(m);
    m->loss = 0;
    for (int64_t r = 0; r < rows; r++) {
        const float *y = m->logits + r * n;
        float highest = y[0], sum = 0;
        for (int64_t i = 1; i < n; i++)
            highest = y[i] > highest ? y[i] : highest;
        for (int64_t i = 0; i < n; i++) {
            m->dlogits[r * n + i] = expf(y[i] - highest);
            sum += m->dlogits[r * n + i];
        }
        for (int64_t i = 0; i < n; i++)
            m->dlogits[r * n + i] /= sum * (float)rows;
        m->dlogits[r * n + m->targets[r]] -= 1.0f / (float)rows;
        m->loss += (double)(logf(sum) + highest - y[m->targets[r]]) / (double)rows;
    }
}

static void backward(plain_gpt *m)
{
    const int64_t n = m->s.width, rows = rows_of(m);
    /* dx: of what a block adds to */
    float *dx = m->d[0], *d = m->d[1], *dmixed = m->d[2], *dq = m->d[3], *dk = m->d[4],
          *dv = m->d[5];
    memset(m->gradients, 0, m->n_parameters * sizeof *m->gradients);
    memset(dx, 0, (size_t)(rows * n) * sizeof *dx);
    linear_backward(m, &m->head, n, m->s.vocabulary, m->normed, m->dlogits, d, 0);
    norm_backward(m, &m->norm, m->x, m->stats, d, dx);
    for (int64_t l = m->s.blocks - 1; l >= 0; l--) {
        const plain_block *b = &m->blocks[l];
        linear_backward(m, &b->down, 4 * n, n, b->hidden, dx, m->dhidden, 0);
        gelu_backward(m, rows * 4 * n, b->z, m->dhidden);
        linear_backward(m, &b->up, n, 4 * n, b->normed2, m->dhidden, d, 0);
        norm_backward(m, &b->norm2, b->middle, b->stats2, d, dx);
        linear_backward(m, &b->out, n, n, b->mixed, dx, dmixed, 0);
        attention_backward(m, b, dmixed, dq, dk, dv);
        linear_backward(m, &b->q, n, n, b->normed1, dq, d, 0);
        linear_backward(m, &b->k, n, n, b->normed1, dk, d, 1);
        linear_backward(m, &b->v, n, n, b->normed1, dv, d, 1);
        norm_backward(m, &b->norm1, b->x, b->stats1, d, dx);
    }
    for (int64_t r = 0; r < rows; r++) {
        float *character = m->table.dw + m->ids[r] * n,
              *place = m->table.dw + (m->s.vocabulary + r % m->s.context) * n;
        for (int64_t i = 0; i < n; i++) {
            character[i] += 0.5f * dx[r * n + i];
            place[i] += 0.5f * dx[r * n + i];
        }
    }
}

static void adam(plain_gpt *m)
{
    const float beta1 = 0.9f, beta2 = 0.99f, rate = 0.002f, decay = 0.1f;
    double square = 0;
    for (size_t i = 0; i < m->n_parameters; i++)
        square += (double)m->gradients[i] * (double)m->gradients[i];
    const float cut = square > 1 ? (float)(1 / sqrt(square)) : 1.0f;
    m->steps++;
    const float first = 1.0f / (1.0f - powf(beta1, (float)m->steps)),
                second = 1.0f / (1.0f - powf(beta2, (float)m->steps));
    ON_THREADS_OF(m)
    for (size_t i = 0; i < m->n_parameters; i++) {
        const float g = m->gradients[i] * cut;
        m->moment1[i] = beta1 * m->moment1[i] + (1 - beta1) * g;
        m->moment2[i] = beta2 * m->moment2[i] + (1 - beta2) * g * g;
        m->parameters[i] -= rate *
            (m->moment1[i] * first / (sqrtf(m->moment2[i] * second) + 1e-8f) +
                decay * m->parameters[i]);
    }
}

void PLAIN_STEP(plain_gpt *m);

void PLAIN_STEP(plain_gpt *m)
{
    forward(m);
    loss(m);
    backward(m);
    adam(m);
}
