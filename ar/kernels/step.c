/* One decode step of the text-to-semantic transformer for several rows, all layers in one call.

   Every value of a row is computed by the same operations in the same order whatever the other rows are and however
   many there are: accumulation runs over k in order, one lane per output, and attention of a row covers exactly its
   own slots. A row therefore gets bit for bit what it gets alone, and empty slots are never read.

   Matrices are packed in panels of L outputs, as many as a register of the processor holds:
     kind 0  float    [n/L][k][L]
     kind 1  bfloat16 [n/L][k/2][L][2], products and sums in float
     kind 2  int8     [n/L][k/4][L][4], with a scale per output; inputs become 8 bits with a scale per row
   Keys and values are [layer][row][head][slot][d], float or bfloat16. */
#include <math.h>
#include <stdint.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__AVX512VNNI__) && defined(__AVX512F__)
#include <immintrin.h>
#endif

/* Lanes of a register, and panels at a time: sums of 6 rows must stay in the 32 or 16 registers there are. Vectors longer
   than a register live in memory, which makes a step ten times as slow. */
#if defined(L)
#elif defined(__AVX512F__)
#define L 16
#define PANELS 4
#elif defined(__AVX__)
#define L 8
#define PANELS 2
#elif defined(__x86_64__)
#define L 4
#define PANELS 2
#else
#define L 4
#define PANELS 4
#endif
typedef float vf __attribute__((vector_size(4 * L), aligned(4)));
typedef int32_t vi __attribute__((vector_size(4 * L), aligned(4)));
typedef uint32_t vu __attribute__((vector_size(4 * L), aligned(4)));

typedef struct {
  int64_t n, k, kind;
  const void *weight;
  const float *scale;
  const int32_t *sum;
  const float *bias;
} Matrix;
typedef struct {
  Matrix qkv, out, in, down;
  const float *norm1, *bias1, *norm2, *bias2;
} Layer;
typedef struct {
  int64_t width, heads, hidden, layers, codes, half;
  float eps, alpha;
  Matrix head;
  const float *embedding, *table;
  const Layer *layer;
} Net;
typedef struct {
  int64_t rows, layer, row, head; /* strides of the cache in elements */
  const int64_t *token, *index, *end, *position;
  const int64_t *twin, *alike; /* a row, maybe the same, whose first slots hold the same, and how many of them do */
  void *keys, *values;
  float *logits, *scratch;
} Call;
typedef struct { float scale; int32_t zero; } Quant;
typedef struct { float *x, *y, *wide, *score; uint8_t *q; Quant *quant; } Room;

static inline vf splat(float a) { return (vf){} + a; }
static inline float total(vf a) {
  float s = 0;
  for (int i = 0; i < L; i++) s += a[i];
  return s;
}
static inline vf load(const float *p) { return *(const vf *)p; }
static inline uint16_t to_half(float a) {
  uint32_t u;
  memcpy(&u, &a, 4);
  return (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

/* exp for x <= 0 */
static inline vf exp_(vf x) {
  vf low = splat(-87.0f);
  vi big = x > low;
  x = (vf)(((vi)x & big) | ((vi)low & ~big));
  vi n = __builtin_convertvector(x * 1.44269504f - 0.5f, vi);
  vf f = __builtin_convertvector(n, vf);
  vf r = x - f * 0.693359375f + f * 2.12194440e-4f;
  vf p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * (vf)((n + 127) << 23);
}

/* ---- matrix times rows; R rows and P panels at a time ---- */
#define TILE(R, P)                                                                                              \
  static void float_##R(const Matrix *m, const float *x, int64_t panel, vf *out) {                              \
    const float *w = (const float *)m->weight + panel * m->k * L;                                               \
    vf acc[R][P] = {};                                                                                          \
    for (int64_t k = 0; k < m->k; k++) {                                                                        \
      vf b[P];                                                                                                  \
      for (int p = 0; p < P; p++) b[p] = load(w + (p * m->k + k) * L);                                          \
      for (int r = 0; r < R; r++)                                                                               \
        for (int p = 0; p < P; p++) acc[r][p] += b[p] * x[r * m->k + k];                                        \
    }                                                                                                           \
    memcpy(out, acc, sizeof acc);                                                                               \
  }                                                                                                             \
  static void half_##R(const Matrix *m, const float *x, int64_t panel, vf *out) {                               \
    const uint16_t *w = (const uint16_t *)m->weight + panel * m->k * L;                                         \
    vf acc[R][P] = {};                                                                                          \
    for (int64_t k = 0; k < m->k; k += 2) {                                                                     \
      vf even[P], odd[P];                                                                                       \
      for (int p = 0; p < P; p++) {                                                                             \
        vu both = *(const vu *)(w + (p * m->k + k) * L);                                                        \
        even[p] = (vf)(both << 16);                                                                             \
        odd[p] = (vf)(both & 0xffff0000u);                                                                      \
      }                                                                                                         \
      for (int r = 0; r < R; r++)                                                                               \
        for (int p = 0; p < P; p++) acc[r][p] += even[p] * x[r * m->k + k];                                     \
      for (int r = 0; r < R; r++)                                                                               \
        for (int p = 0; p < P; p++) acc[r][p] += odd[p] * x[r * m->k + k + 1];                                  \
    }                                                                                                           \
    memcpy(out, acc, sizeof acc);                                                                               \
  }                                                                                                             \
  static void byte_##R(const Matrix *m, const uint8_t *x, int64_t panel, vi *out) {                             \
    const int8_t *w = (const int8_t *)m->weight + panel * m->k * L;                                             \
    vi acc[R][P] = {};                                                                                          \
    for (int64_t k = 0; k < m->k; k += 4) {                                                                     \
      vi b[P];                                                                                                  \
      for (int p = 0; p < P; p++) b[p] = *(const vi *)(w + (p * m->k + k) * L);                                 \
      for (int r = 0; r < R; r++) {                                                                             \
        int32_t four;                                                                                           \
        memcpy(&four, x + r * m->k + k, 4);                                                                     \
        for (int p = 0; p < P; p++) acc[r][p] = dot4(acc[r][p], four, b[p]);                                    \
      }                                                                                                         \
    }                                                                                                           \
    memcpy(out, acc, sizeof acc);                                                                               \
  }

/* acc + sum of four products of unsigned inputs and signed weights, per lane */
static inline vi dot4(vi acc, int32_t four, vi w) {
#if defined(__AVX512VNNI__) && defined(__AVX512F__) && L == 16
  return (vi)_mm512_dpbusd_epi32((__m512i)acc, _mm512_set1_epi32(four), (__m512i)w);
#else
  for (int i = 0; i < 4; i++) acc += ((w << (24 - 8 * i)) >> 24) * ((four >> (8 * i)) & 255);
  return acc;
#endif
}

TILE(1, PANELS)
TILE(2, PANELS)
TILE(4, PANELS)
TILE(6, PANELS)
#define MOST 6

static void finish(const Matrix *m, const vf *acc, int64_t r, int64_t panel, int count, const Quant *quant,
                   int relu, float *y) {
  for (int p = 0; p < count; p++) {
    int64_t at = (panel + p) * L, lanes = m->n - at < L ? m->n - at : L;
    vf v = acc[p];
    if (m->kind == 2) {
      vi whole = ((const vi *)acc)[p] - *(const vi *)(m->sum + at) * quant->zero;
      v = __builtin_convertvector(whole, vf) * (load(m->scale + at) * quant->scale);
    }
    if (m->bias) v += load(m->bias + at);
    if (relu) v = (vf)((vi)v & (v > splat(0)));
    memcpy(y + r * m->n + at, &v, lanes * sizeof(float));
  }
}

/* y[rows][n] = x[rows][k] W^T + b, the panels that fall to thread `me` of `team`; panels are padded to whole groups */
static void multiply(const Matrix *m, int64_t rows, const float *x, const Room *room, int relu, float *y, int me,
                     int team) {
  int64_t groups = (m->n + PANELS * L - 1) / (PANELS * L), all = (m->n + L - 1) / L;
  for (int64_t g = groups * me / team; g < groups * (me + 1) / team; g++) {
    int64_t panel = g * PANELS;
    int used = all - panel < PANELS ? (int)(all - panel) : PANELS;
    for (int64_t r = 0; r < rows;) {
      vf acc[MOST * PANELS];
      int64_t left = rows - r, n = left >= 6 ? 6 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
      const float *a = x + r * m->k;
      const uint8_t *q = room->q + r * m->k;
      if (m->kind == 0) (n == 6 ? float_6 : n == 4 ? float_4 : n == 2 ? float_2 : float_1)(m, a, panel, acc);
      else if (m->kind == 1) (n == 6 ? half_6 : n == 4 ? half_4 : n == 2 ? half_2 : half_1)(m, a, panel, acc);
      else (n == 6 ? byte_6 : n == 4 ? byte_4 : n == 2 ? byte_2 : byte_1)(m, q, panel, (vi *)acc);
      for (int64_t i = 0; i < n; i++) finish(m, acc + i * PANELS, r + i, panel, used, room->quant + r + i, relu, y);
      r += n;
    }
  }
}

/* Eight bits per input; what is never negative uses all of them. */
static void quantise(const float *x, int64_t k, int positive, uint8_t *q, Quant *quant) {
  float top = 0;
  for (int64_t i = 0; i < k; i++) top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
  float half = positive ? 255.0f : 127.0f, up = top > 0 ? half / top : 0;
  quant->scale = top / half;
  quant->zero = positive ? 0 : 128;
  float shift = quant->zero + 0.5f;
  for (int64_t i = 0; i < k; i++) q[i] = (uint8_t)(int32_t)(x[i] * up + shift);
}

/* x = norm(x + y) */
static void add_norm(float *x, const float *y, const float *w, const float *b, float eps, int64_t c) {
  vf sum = {}, square = {};
  float rest = 0, rest2 = 0;
  int64_t i = 0;
  for (; i + L <= c; i += L) {
    vf v = load(x + i) + load(y + i);
    memcpy(x + i, &v, sizeof v);
    sum += v;
  }
  for (int64_t j = i; j < c; j++) rest += x[j] += y[j];
  float mean = (total(sum) + rest) / c;
  for (i = 0; i + L <= c; i += L) {
    vf v = load(x + i) - mean;
    square += v * v;
  }
  for (int64_t j = i; j < c; j++) rest2 += (x[j] - mean) * (x[j] - mean);
  float scale = 1.0f / sqrtf((total(square) + rest2) / c + eps);
  for (int64_t j = 0; j < c; j++) x[j] = (x[j] - mean) * scale * w[j] + b[j];
}

/* ---- attention of one head of one row over slots 0 to end ---- */
#define FOLD(a, b, low, high) (__builtin_shufflevector(a, b, low) + __builtin_shufflevector(a, b, high))
#define HALF(...) __VA_ARGS__
/* Lane i of the result: the sum over the lanes of v[i]. */
static inline vf sums(vf *v) {
#if L == 16
  for (int i = 0; i < 8; i++)
    v[i] = FOLD(v[2 * i], v[2 * i + 1], HALF(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
                HALF(8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
  for (int i = 0; i < 4; i++)
    v[i] = FOLD(v[2 * i], v[2 * i + 1], HALF(0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27),
                HALF(4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31));
  for (int i = 0; i < 2; i++)
    v[i] = FOLD(v[2 * i], v[2 * i + 1], HALF(0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29),
                HALF(2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31));
  return FOLD(v[0], v[1], HALF(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30),
              HALF(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31));
#elif L == 8
  for (int i = 0; i < 4; i++)
    v[i] = FOLD(v[2 * i], v[2 * i + 1], HALF(0, 1, 2, 3, 8, 9, 10, 11), HALF(4, 5, 6, 7, 12, 13, 14, 15));
  for (int i = 0; i < 2; i++)
    v[i] = FOLD(v[2 * i], v[2 * i + 1], HALF(0, 1, 4, 5, 8, 9, 12, 13), HALF(2, 3, 6, 7, 10, 11, 14, 15));
  return FOLD(v[0], v[1], HALF(0, 2, 4, 6, 8, 10, 12, 14), HALF(1, 3, 5, 7, 9, 11, 13, 15));
#else
  for (int i = 0; i < 2; i++) v[i] = FOLD(v[2 * i], v[2 * i + 1], HALF(0, 1, 4, 5), HALF(2, 3, 6, 7));
  return FOLD(v[0], v[1], HALF(0, 2, 4, 6), HALF(1, 3, 5, 7));
#endif
}

/* Keys and values of a head; slots before `same`, a multiple of every L, are read where a twin has them: rows that began
   alike then read them from the cache, where the first of them has brought them. */
typedef struct { const void *keys, *values, *twin_keys, *twin_values; int64_t same; } Head;

/* Some values of a head at a time, in whatever order PART brings them as two vectors; q is in the same order. */
#define ATTEND(NAME, TYPE, PART, ONE, JOIN)                                                                         \
  static inline vf NAME##_dot(const vf *q, const float *rest, const TYPE *k, int64_t blocks, int64_t d) {           \
    vf a = {}, b = {};                                                                                              \
    for (int64_t j = 0; j < blocks; j++) {                                                                          \
      vf x, y;                                                                                                      \
      PART(k + j * 2 * L, x, y);                                                                                    \
      a += q[2 * j] * x;                                                                                            \
      b += q[2 * j + 1] * y;                                                                                        \
    }                                                                                                               \
    a += b;                                                                                                         \
    for (int64_t j = blocks * 2 * L; j < d; j++) a[0] += rest[j] * ONE(k + j);                                      \
    return a;                                                                                                       \
  }                                                                                                                 \
  static void NAME(const float *q, const Head *head, int64_t count, int64_t d, float *score, float *out) {          \
    const TYPE *sides[2][2] = {{head->keys, head->values}, {head->twin_keys, head->twin_values}};                   \
    int64_t blocks = d / (2 * L), whole = count - count % L, s;                                                     \
    float scale = 1.0f / sqrtf((float)d);                                                                           \
    vf parts[2 * MOST_BLOCKS], dots[L], sum = {};                                                                   \
    for (int64_t j = 0; j < blocks; j++) JOIN(0, q + j * 2 * L, parts + 2 * j);                                     \
    for (s = 0; s < whole; s += L) {                                                                                \
      const TYPE *keys = sides[s < head->same][0], *values = sides[s < head->same][1];                              \
      for (int i = 0; i < L; i++) {                                                                                 \
        if (sizeof(TYPE) == 2) { /* measured: wins a quarter here and loses with floats */                          \
          __builtin_prefetch(keys + (s + i + L) * d);                                                               \
          __builtin_prefetch(values + (s + i) * d);                                                                 \
        }                                                                                                           \
        dots[i] = NAME##_dot(parts, q, keys + (s + i) * d, blocks, d);                                              \
      }                                                                                                             \
      vf all = sums(dots) * scale;                                                                                  \
      memcpy(score + s, &all, sizeof all);                                                                          \
    }                                                                                                               \
    if (s < count) {                                                                                                \
      const TYPE *keys = sides[0][0];                                                                               \
      for (int i = 0; i < L; i++)                                                                                   \
        dots[i] = s + i < count ? NAME##_dot(parts, q, keys + (s + i) * d, blocks, d) : (vf){};                     \
      vf all = sums(dots) * scale;                                                                                  \
      memcpy(score + s, &all, sizeof all);                                                                          \
    }                                                                                                               \
    float top = score[0];                                                                                           \
    for (s = 1; s < count; s++) top = score[s] > top ? score[s] : top;                                              \
    for (s = 0; s < count; s += L) {                                                                                \
      vf e = exp_(load(score + s) - top);                                                                           \
      memcpy(score + s, &e, sizeof e);                                                                              \
    }                                                                                                               \
    for (s = count; s % L; s++) score[s] = 0;                                                                       \
    for (s = 0; s < count; s += L) sum += load(score + s);                                                          \
    float share = 1.0f / total(sum);                                                                                \
    for (int64_t j = 0; j < blocks; j++) {                                                                          \
      vf a[4][2] = {};                                                                                              \
      for (s = 0; s + 4 <= count; s += 4) {                                                                         \
        const TYPE *v = sides[s < head->same][1] + j * 2 * L;                                                       \
        for (int i = 0; i < 4; i++) {                                                                               \
          vf x, y;                                                                                                  \
          PART(v + (s + i) * d, x, y);                                                                              \
          a[i][0] += x * score[s + i];                                                                              \
          a[i][1] += y * score[s + i];                                                                              \
        }                                                                                                           \
      }                                                                                                             \
      for (int i = 0; i < 3; i++)                                                                                   \
        if (s + i < count) {                                                                                        \
          vf x, y;                                                                                                  \
          PART(sides[0][1] + j * 2 * L + (s + i) * d, x, y);                                                        \
          a[i][0] += x * score[s + i];                                                                              \
          a[i][1] += y * score[s + i];                                                                              \
        }                                                                                                           \
      for (int p = 0; p < 2; p++) parts[p] = ((a[0][p] + a[1][p]) + (a[2][p] + a[3][p])) * share;                   \
      JOIN(1, out + j * 2 * L, parts);                                                                              \
    }                                                                                                               \
    for (int64_t j = blocks * 2 * L; j < d; j++) {                                                                  \
      float a = 0;                                                                                                  \
      for (s = 0; s < count; s++) a += ONE(sides[s < head->same][1] + s * d + j) * score[s];                    \
      out[j] = a * share;                                                                                           \
    }                                                                                                               \
  }
#define MOST_BLOCKS (512 / (2 * L))
/* 2 L floats as two halves */
#define FLOATS(p, x, y) (x = load(p), y = load((p) + L))
/* 2 L bfloat16 as those in even places and those in odd ones, which needs no shuffle */
#define HALVES(p, x, y)                         \
  do {                                          \
    vu both = *(const vu *)(p);                 \
    x = (vf)(both << 16), y = (vf)(both & 0xffff0000u); \
  } while (0)
static inline void halves(int back, float *p, vf *two) {
  memcpy(back ? (void *)p : two, back ? (void *)two : p, 2 * sizeof(vf));
}
static inline void by_parity(int back, float *p, vf *two) {
  for (int i = 0; i < L; i++)
    for (int odd = 0; odd < 2; odd++)
      if (back) p[2 * i + odd] = two[odd][i];
      else two[odd][i] = p[2 * i + odd];
}
#define JOIN_FLOATS(back, p, two) halves(back, (float *)(p), two)
#define JOIN_HALVES(back, p, two) by_parity(back, (float *)(p), two)
static inline float one_float(const float *p) { return *p; }
static inline float one_half(const uint16_t *p) {
  uint32_t u = (uint32_t)*p << 16;
  float a;
  memcpy(&a, &u, 4);
  return a;
}
ATTEND(attend_float, float, FLOATS, one_float, JOIN_FLOATS)
ATTEND(attend_half, uint16_t, HALVES, one_half, JOIN_HALVES)

static void attention(const Net *net, const Call *call, const Room *room, int64_t layer, int me, int team) {
  int64_t c = net->width, d = c / net->heads, all = call->rows * net->heads;
  for (int64_t job = all * me / team; job < all * (me + 1) / team; job++) {
    int64_t h = job / call->rows, r = job % call->rows, end = call->end[r], start = layer * call->layer + h * call->head;
    int64_t at = start + call->index[r] * call->row, other = start + call->twin[r] * call->row;
    const float *q = room->wide + r * 3 * c + h * d;
    float *out = room->y + r * c + h * d;
    if (net->half) {
      uint16_t *k = (uint16_t *)call->keys, *v = (uint16_t *)call->values;
      for (int64_t j = 0; j < d; j++) {
        k[at + end * d + j] = to_half(q[c + j]);
        v[at + end * d + j] = to_half(q[2 * c + j]);
      }
      Head head = {k + at, v + at, k + other, v + other, call->alike[r] & ~15};
      attend_half(q, &head, end + 1, d, room->score, out);
    } else {
      float *k = (float *)call->keys, *v = (float *)call->values;
      memcpy(k + at + end * d, q + c, d * sizeof(float));
      memcpy(v + at + end * d, q + 2 * c, d * sizeof(float));
      Head head = {k + at, v + at, k + other, v + other, call->alike[r] & ~15};
      attend_float(q, &head, end + 1, d, room->score, out);
    }
  }
}

#ifdef _OPENMP
#define MEET _Pragma("omp barrier")
#else
#define MEET
#endif
#define MINE(r) for (int64_t r = me; r < call->rows; r += team)
#define PACK(m, from, positive)                                                                             \
  if ((m).kind == 2) {                                                                                      \
    MINE(r) quantise((from) + r * (m).k, (m).k, positive, room.q + r * (m).k, room.quant + r);              \
    MEET                                                                                                    \
  }

static void run(const Net *net, const Call *call, Room room, int64_t slots, int me, int team) {
  int64_t c = net->width;
  room.score += me * slots;
  MINE(r) for (int64_t j = 0; j < c; j++) room.x[r * c + j] =
      net->embedding[call->token[r] * c + j] + net->alpha * net->table[call->position[r] * c + j];
  MEET
  for (int64_t l = 0; l < net->layers; l++) {
    const Layer *w = net->layer + l;
    PACK(w->qkv, room.x, 0)
    multiply(&w->qkv, call->rows, room.x, &room, 0, room.wide, me, team);
    MEET
    attention(net, call, &room, l, me, team);
    MEET
    PACK(w->out, room.y, 0)
    multiply(&w->out, call->rows, room.y, &room, 0, room.wide, me, team);
    MEET
    MINE(r) add_norm(room.x + r * c, room.wide + r * c, w->norm1, w->bias1, net->eps, c);
    MEET
    PACK(w->in, room.x, 0)
    multiply(&w->in, call->rows, room.x, &room, 1, room.wide, me, team);
    MEET
    PACK(w->down, room.wide, 1)
    multiply(&w->down, call->rows, room.wide, &room, 0, room.y, me, team);
    MEET
    MINE(r) add_norm(room.x + r * c, room.y + r * c, w->norm2, w->bias2, net->eps, c);
    MEET
  }
  multiply(&net->head, call->rows, room.x, &room, 0, call->logits, me, team);
}

/* How matrices are to be packed. */
int64_t lanes(void) { return L; }
int64_t panels(void) { return PANELS; }

/* Floats of scratch that `decode_step` needs. */
int64_t scratch_size(const Net *net, int64_t rows, int64_t slots, int64_t threads) {
  int64_t wide = net->hidden > 3 * net->width ? net->hidden : 3 * net->width;
  return rows * (2 * net->width + wide + wide / 4 + 2 + sizeof(Quant) / 4) + threads * (slots + L) + 64;
}

void decode_step(const Net *net, const Call *call, int64_t slots, int64_t threads) {
  int64_t wide = net->hidden > 3 * net->width ? net->hidden : 3 * net->width, n = call->rows;
  Room room;
  slots += L;
  room.x = call->scratch;
  room.y = room.x + n * net->width;
  room.wide = room.y + n * net->width;
  room.score = room.wide + n * wide;
  room.quant = (Quant *)(room.score + threads * slots);
  room.q = (uint8_t *)(room.quant + n);
#ifdef _OPENMP
  if (threads > 1) {
#pragma omp parallel num_threads(threads)
    run(net, call, room, slots, omp_get_thread_num(), omp_get_num_threads());
    return;
  }
#endif
  run(net, call, room, slots, 0, 1);
}
