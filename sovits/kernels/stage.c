/* A stage of HiFi-GAN's residual blocks in one call: convolutions as overlap-save, tile by tile.

   A tile of N samples of a channel becomes its spectrum; what a kernel makes of it is a product for each frequency, a
   complex one as three real ones (Gauss), and so a matrix product over the channels for each of 47 rows; back from
   the spectrum come the N - kernel + 1 samples that no other tile gives. The transforms split the radix: the odd
   frequencies of 2 m real samples are one complex transform of m / 2, the even ones go on as those of m real samples.
   Frequencies stay in the order that this gives: 0, 16, 1, 5, ... 29, 2, 10, 18, 26, 4, 20, 8; of a frequency and its
   mirror image one is there.

   Features are [frame][channel]; activations and residuals are applied where samples are read and written. A stage is
   computed in chunks of frames that stay in the processor's cache, each with what its kernels hear before and after.

   Weights are packed as [47][out / WIDE][in][WIDE], zeros behind the last channel. */
#include <stdint.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#define N 32
#define CHUNK 8192
#define MOST 12
#define ROWS 6

/* Lanes of a register, and panels at a time: the sums of ROWS rows must stay in registers. */
#if defined(L)
#elif defined(__AVX512F__)
#define L 16
#define PANELS 4
#elif defined(__AVX__)
#define L 8
#define PANELS 2
#elif defined(__aarch64__)
#define L 4
#define PANELS 4
#else
#define L 4
#define PANELS 2
#endif
#define WIDE (L * PANELS)
typedef float vf __attribute__((vector_size(4 * L), aligned(4)));
typedef int32_t vi __attribute__((vector_size(4 * L), aligned(4)));

typedef struct {
  int64_t in, out, kernel, dilation;
  const float *weight, *bias;
} Conv;
typedef struct {
  int64_t channels, blocks, pairs, reach;
  float slope;
  const Conv *conv; /* [block][pair][2] */
} Stage;
/* Where a convolution writes: frames `low` to `high` of those it has, of which `sum` says whether to add to them. */
typedef struct {
  const float *residual;
  float *out;
  int64_t low, high;
  int sum;
  float scale;
} Target;

static inline vf load(const float *p) { return *(const vf *)p; }
static inline void store(float *p, vf v) { *(vf *)p = v; }

/* cos and sin of 2 pi j / 32 */
static const float COS[8] = {1.0f,          0.980785280f, 0.923879533f, 0.831469612f,
                             0.707106781f, 0.555570233f, 0.382683432f, 0.195090322f};
static const float SIN[8] = {0.0f,          0.195090322f, 0.382683432f, 0.555570233f,
                             0.707106781f, 0.831469612f, 0.923879533f, 0.980785280f};

/* Complex transforms in place, forwards; backwards with the parts exchanged. */
static inline void fft2(vf *a, vf *b) {
  vf r = a[0] - a[1], i = b[0] - b[1];
  a[0] += a[1], b[0] += b[1];
  a[1] = r, b[1] = i;
}
static inline void fft4(vf *a, vf *b) {
  vf r0 = a[0] + a[2], r1 = a[0] - a[2], r2 = a[1] + a[3], r3 = a[1] - a[3];
  vf i0 = b[0] + b[2], i1 = b[0] - b[2], i2 = b[1] + b[3], i3 = b[1] - b[3];
  a[0] = r0 + r2, b[0] = i0 + i2;
  a[1] = r1 + i3, b[1] = i1 - r3;
  a[2] = r0 - r2, b[2] = i0 - i2;
  a[3] = r1 - i3, b[3] = i1 + r3;
}
static inline void fft8(vf *a, vf *b) {
  vf er[4], ei[4], or[4], oi[4];
  for (int j = 0; j < 4; j++) {
    er[j] = a[j] + a[j + 4], ei[j] = b[j] + b[j + 4];
    or[j] = a[j] - a[j + 4], oi[j] = b[j] - b[j + 4];
  }
  const float h = COS[4];
  vf r1 = (or[1] + oi[1]) * h, i1 = (oi[1] - or[1]) * h;
  vf r2 = oi[2], i2 = -or[2];
  vf r3 = (oi[3] - or[3]) * h, i3 = (oi[3] + or[3]) * -h;
  or[1] = r1, oi[1] = i1, or[2] = r2, oi[2] = i2, or[3] = r3, oi[3] = i3;
  fft4(er, ei);
  fft4(or, oi);
  for (int j = 0; j < 4; j++) a[2 * j] = er[j], b[2 * j] = ei[j], a[2 * j + 1] = or[j], b[2 * j + 1] = oi[j];
}

/* The odd frequencies 1, 5, 9, ... of 4 m real samples, the upper half of which was taken from the lower: o [2 m]. */
#define ODD(M, STEP, FFT)                                                              \
  static inline void odd##M(const vf *o, vf *a, vf *b) {                               \
    for (int j = 0; j < M; j++) {                                                      \
      a[j] = o[j] * COS[j * STEP] - o[j + M] * SIN[j * STEP];                          \
      b[j] = -(o[j] * SIN[j * STEP] + o[j + M] * COS[j * STEP]);                       \
    }                                                                                  \
    FFT(a, b);                                                                         \
  }                                                                                    \
  static inline void odd##M##_back(vf *a, vf *b, vf *o) {                              \
    FFT(b, a);                                                                         \
    for (int j = 0; j < M; j++) {                                                      \
      o[j] = a[j] * COS[j * STEP] - b[j] * SIN[j * STEP];                              \
      o[j + M] = -(a[j] * SIN[j * STEP] + b[j] * COS[j * STEP]);                       \
    }                                                                                  \
  }
ODD(8, 1, fft8)
ODD(4, 2, fft4)
ODD(2, 4, fft2)

static inline void put(float *p, int64_t step, const vf *a, const vf *b, int m) {
  for (int j = 0; j < m; j++) store(p + 2 * j * step, a[j]), store(p + (2 * j + 1) * step, b[j]);
}
static inline void get(const float *p, int64_t step, vf *a, vf *b, int m) {
  for (int j = 0; j < m; j++) a[j] = load(p + 2 * j * step), b[j] = load(p + (2 * j + 1) * step);
}

/* Real samples x [32] to the rows that are to be multiplied, `step` apart. */
static inline void analyse(vf *x, float *p, int64_t step) {
  vf o[16], a[8], b[8];
  for (int j = 0; j < 16; j++) o[j] = x[j] - x[j + 16], x[j] += x[j + 16];
  odd8(o, a, b);
  put(p + 2 * step, step, a, b, 8);
  for (int j = 0; j < 8; j++) o[j] = x[j] - x[j + 8], x[j] += x[j + 8];
  odd4(o, a, b);
  put(p + 18 * step, step, a, b, 4);
  for (int j = 0; j < 4; j++) o[j] = x[j] - x[j + 4], x[j] += x[j + 4];
  odd2(o, a, b);
  put(p + 26 * step, step, a, b, 2);
  for (int j = 0; j < 2; j++) o[j] = x[j] - x[j + 2], x[j] += x[j + 2];
  o[1] = -o[1];
  put(p + 30 * step, step, o, o + 1, 1);
  store(p, x[0] + x[1]);
  store(p + step, x[0] - x[1]);
}

/* And back; what each frequency counts for is in the weights. */
static inline void synthesise(const float *p, int64_t step, vf *x) {
  vf o[16], a[8], b[8];
  vf zero = load(p), half = load(p + step);
  x[0] = zero + half, x[1] = zero - half;
  get(p + 30 * step, step, a, b, 1);
  for (int j = 0; j < 2; j++) {
    vf v = j ? -b[0] : a[0];
    x[j + 2] = x[j] - v, x[j] += v;
  }
  get(p + 26 * step, step, a, b, 2);
  odd2_back(a, b, o);
  for (int j = 0; j < 4; j++) x[j + 4] = x[j] - o[j], x[j] += o[j];
  get(p + 18 * step, step, a, b, 4);
  odd4_back(a, b, o);
  for (int j = 0; j < 8; j++) x[j + 8] = x[j] - o[j], x[j] += o[j];
  get(p + 2 * step, step, a, b, 8);
  odd8_back(a, b, o);
  for (int j = 0; j < 16; j++) x[j + 16] = x[j] - o[j], x[j] += o[j];
}

/* Sums [R][PANELS] over k of x [R][k], rows `from` apart, and w [k][WIDE]. */
#define TILE(R)                                                                                       \
  static inline void sum##R(const float *x, int64_t from, int64_t k, const float *w, vf (*sum)[PANELS]) { \
    for (int r = 0; r < R; r++)                                                                       \
      for (int p = 0; p < PANELS; p++) sum[r][p] = (vf){};                                            \
    for (int64_t i = 0; i < k; i++) {                                                                 \
      vf b[PANELS];                                                                                   \
      __builtin_prefetch(w + (k + i) * WIDE);                                                         \
      for (int p = 0; p < PANELS; p++) b[p] = load(w + i * WIDE + p * L);                             \
      for (int r = 0; r < R; r++)                                                                     \
        for (int p = 0; p < PANELS; p++) sum[r][p] += b[p] * x[r * from + i];                         \
    }                                                                                                 \
  }                                                                                                   \
  static void real##R(const float *x, int64_t from, int64_t k, const float *w, float *y, int64_t to) { \
    vf a[R][PANELS];                                                                                  \
    sum##R(x, from, k, w, a);                                                                         \
    for (int r = 0; r < R; r++)                                                                       \
      for (int p = 0; p < PANELS; p++) store(y + r * to + p * L, a[r][p]);                            \
  }                                                                                                   \
  /* k1 = e (a + b), k2 = a (f - e), k3 = b (e + f) make k1 - k3 and k1 + k2 */                       \
  static void complex##R(const float *both, const float *x, int64_t from, int64_t next, int64_t k,    \
                         const float *w, int64_t other, float *y, int64_t to, int64_t imaginary) {    \
    vf a[R][PANELS], b[R][PANELS];                                                                    \
    sum##R(both, k, k, w, a);                                                                         \
    sum##R(x, from, k, w + other, b);                                                                 \
    for (int r = 0; r < R; r++)                                                                       \
      for (int p = 0; p < PANELS; p++) store(y + imaginary + r * to + p * L, a[r][p] + b[r][p]);      \
    sum##R(x + next, from, k, w + 2 * other, b);                                                      \
    for (int r = 0; r < R; r++)                                                                       \
      for (int p = 0; p < PANELS; p++) store(y + r * to + p * L, a[r][p] - b[r][p]);                  \
  }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
static void (*const REAL[])(const float *, int64_t, int64_t, const float *, float *, int64_t) = {
    0, real1, real2, real3, real4, real5, real6};
static void (*const COMPLEX[])(const float *, const float *, int64_t, int64_t, int64_t, const float *, int64_t, float *,
                               int64_t, int64_t) = {0, complex1, complex2, complex3, complex4, complex5, complex6};

static inline int64_t padded(int64_t channels) { return (channels + WIDE - 1) / WIDE * WIDE; }
/* Floats from one row of a spectrum to the next: not a power of two, or all would share a few sets of the cache. */
static inline int64_t apart(int64_t channels) { return channels + 16; }

/* `count` tiles from `first` on of a convolution over `frames` frames; each phase of the dilation has `each`. */
static void some(const Conv *v, float slope, const float *x, int64_t frames, const Target *to, int64_t each,
                 int64_t first, int64_t count, float *scratch) {
  int64_t in = v->in, out = v->out, d = v->dilation, made = N - v->kernel + 1, wide = padded(out);
  int64_t step = apart(in), back = apart(wide), from_tile = N * step, to_tile = N * back;
  float *spectra = scratch, *products = spectra + MOST * from_tile, *both = products + MOST * to_tile;
  for (int64_t i = 0; i < count; i++) {
    int64_t phase = (first + i) / each, begin = ((first + i) % each * made - v->kernel / 2) * d + phase;
    int64_t from = begin < 0 ? (-begin + d - 1) / d : 0;
    int64_t until = begin + (N - 1) * d < frames ? N : (frames - begin + d - 1) / d;
    for (int64_t c = 0; c < in; c += L) {
      vf seen[N];
      if (from > 0 || until < N) {
        memset(seen, 0, sizeof seen);
        for (int64_t j = from; j < until; j++) seen[j] = load(x + (begin + j * d) * in + c);
      } else {
        const float *at = x + begin * in + c;
        for (int j = 0; j < N; j++) {
          __builtin_prefetch(at + (made + j) * d * in); /* the next tile */
          seen[j] = load(at + j * d * in);
        }
      }
      for (int j = 0; j < N; j++) seen[j] += (vf)((vi)seen[j] & (vi)(seen[j] < 0)) * (slope - 1.0f);
      analyse(seen, spectra + i * from_tile + c, step);
    }
  }
  const float *w = v->weight;
  for (int64_t p = 0; p < N; p += p < 2 ? 1 : 2) {
    float *x = spectra + p * step, *y = products + p * back;
    for (int64_t i = 0; i < count && p > 1; i++)
      for (int64_t c = 0; c < in; c += L)
        store(both + i * in + c, load(x + i * from_tile + c) + load(x + i * from_tile + step + c));
    for (int64_t o = 0; o < wide; o += WIDE)
      for (int64_t i = 0; i < count; i += ROWS) {
        int64_t n = count - i < ROWS ? count - i : ROWS;
        if (p < 2) REAL[n](x + i * from_tile, from_tile, in, w + o * in, y + i * to_tile + o, to_tile);
        else COMPLEX[n](both + i * in, x + i * from_tile, from_tile, step, in, w + o * in, wide * in,
                        y + i * to_tile + o, to_tile, back);
      }
    w += (p < 2 ? 1 : 3) * wide * in;
  }
  for (int64_t i = 0; i < count; i++) {
    int64_t phase = (first + i) / each, begin = (first + i) % each * made * d + phase;
    int64_t from = begin < to->low ? (to->low - begin + d - 1) / d : 0, end = (to->high - begin + d - 1) / d;
    int64_t until = end < made ? end : made, stride = d * out;
    for (int64_t o = 0; o < out; o += L) {
      vf y[N], bias = load(v->bias + o);
      const float *residual = to->residual + begin * out + o;
      float *at = to->out + (begin - to->low) * out + o;
      for (int64_t j = from; j < until && to->residual; j++) __builtin_prefetch(residual + j * stride);
      for (int64_t j = from; j < until && to->sum; j++) __builtin_prefetch(at + j * stride);
      synthesise(products + i * to_tile + o, back, y);
      if (!to->residual)
        for (int64_t j = from; j < until; j++) store(at + j * stride, y[j] + bias);
      else if (!to->sum)
        for (int64_t j = from; j < until; j++)
          store(at + j * stride, (y[j] + bias + load(residual + j * stride)) * to->scale);
      else
        for (int64_t j = from; j < until; j++)
          store(at + j * stride, (y[j] + bias + load(residual + j * stride) + load(at + j * stride)) * to->scale);
    }
  }
}

/* One convolution, shared among the threads of the team that calls it. */
static void convolve(const Conv *v, float slope, const float *x, int64_t frames, const Target *to, int64_t team,
                     float *scratch) {
  int64_t d = v->dilation, made = N - v->kernel + 1;
  int64_t each = ((frames + d - 1) / d + made - 1) / made, all = each * d;
  int64_t units = (all + ROWS - 1) / ROWS, most = MOST / ROWS;
  int64_t groups = ((units + most - 1) / most + team - 1) / team * team; /* as many for each thread */
#pragma omp for schedule(dynamic)
  for (int64_t g = 0; g < groups; g++) {
    int64_t first = units * g / groups * ROWS, next = units * (g + 1) / groups * ROWS;
    some(v, slope, x, frames, to, each, first, (next < all ? next : all) - first, scratch);
  }
}

static int64_t widest(const Stage *s) {
  int64_t most = padded(s->channels);
  for (int64_t i = 0; i < s->blocks * s->pairs * 2; i++)
    if (padded(s->conv[i].out) > most) most = padded(s->conv[i].out);
  return most;
}
static int64_t own(const Stage *s) { return (2 * N + 1) * MOST * apart(widest(s)); }
static int64_t shared(const Stage *s, int64_t frames) {
  int64_t most = CHUNK + 2 * s->reach;
  return (frames < most ? frames : most) * widest(s);
}

static void run(const Stage *s, const float *x, float *out, int64_t frames, float *scratch, int64_t me, int64_t team) {
  int64_t room = shared(s, frames);
  float *inner = scratch, *kept = scratch + room, *mine = scratch + 2 * room + me * own(s);
  for (int64_t at = 0; at < frames; at += CHUNK) {
    int64_t end = at + CHUNK < frames ? at + CHUNK : frames;
    int64_t from = at > s->reach ? at - s->reach : 0, until = end + s->reach < frames ? end + s->reach : frames;
    for (int64_t b = 0; b < s->blocks; b++) {
      const float *now = x + from * s->channels;
      for (int64_t p = 0; p < s->pairs; p++) {
        const Conv *pair = s->conv + (b * s->pairs + p) * 2;
        int last = p == s->pairs - 1;
        Target middle = {0, inner, 0, until - from, 0, 1.0f};
        convolve(pair, s->slope, now, until - from, &middle, team, mine);
        Target after = {now, kept, 0, until - from, 0, 1.0f};
        if (last) {
          after.out = out + at * s->channels, after.low = at - from, after.high = end - from;
          after.sum = b > 0, after.scale = b == s->blocks - 1 ? 1.0f / s->blocks : 1.0f;
        }
        convolve(pair + 1, s->slope, inner, until - from, &after, team, mine);
        now = kept;
      }
    }
  }
}

/* How weights are packed, and whether work is shared among threads. */
int64_t wide(void) { return WIDE; }
int64_t lanes(void) { return L; }
int threaded(void) {
#ifdef _OPENMP
  return 1;
#else
  return 0;
#endif
}

/* Floats of scratch that `residual_stage` needs. */
int64_t scratch_size(const Stage *s, int64_t frames, int64_t threads) {
  return 2 * shared(s, frames) + threads * own(s);
}

/* out [frames][channels], the mean of what the blocks make of x, which it may not overlap */
void residual_stage(const Stage *s, const float *x, float *out, int64_t frames, float *scratch, int64_t threads) {
#ifdef _OPENMP
  if (threads > 1) {
#pragma omp parallel num_threads(threads)
    run(s, x, out, frames, scratch, omp_get_thread_num(), omp_get_num_threads());
    return;
  }
#endif
  run(s, x, out, frames, scratch, 0, 1);
}
