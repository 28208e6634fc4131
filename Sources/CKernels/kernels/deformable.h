// Multi-scale deformable sampling (Zhu et al. 2021, arXiv:2010.04159), zero padding, align_corners = false.

/// A query's points: x and y in pixels of their level and weights, then the four corners of each.
typedef struct {
    float *x, *y, *weight;
    float *corner_weight;    // [points][4]
    int32_t *corner_offset;  // [points][4], in floats
} sampling;

static inline sampling sampling_in(float *scratch, long count) {
    sampling s = {scratch, scratch + count, scratch + 2 * count, scratch + 3 * count, (int32_t *)(scratch + 7 * count)};
    return s;
}

/// Softmax of the weights over each head's points.
static inline void share_weights(sampling s, long heads, long per_head) {
    for (long h = 0; h < heads; h++) {
        float *w = s.weight + h * per_head;
        float top = w[0];
        for (long i = 1; i < per_head; i++) top = maximum(top, w[i]);
        for (long i = 0; i < per_head; i++) w[i] -= top;
    }
    for (long i = 0; i < heads * per_head; i++) s.weight[i] = exponential(s.weight[i]);
    for (long h = 0; h < heads; h++) {
        float *w = s.weight + h * per_head;
        float sum = 0.0f;
        for (long i = 0; i < per_head; i++) sum += w[i];
        float inverse = 1.0f / sum;
        for (long i = 0; i < per_head; i++) w[i] *= inverse;
    }
}

/// From pixel positions to four corners each: an address and a weight, which is 0 outside the map.
static inline void find_corners(sampling s, const hcq_geometry *g, long ldv) {
    for (long i = 0; i < g->count; i++) {
        int32_t width = g->width[i], height = g->height[i], start = g->start[i];
        // Two pixels outside is as good as far outside, and fits an integer.
        float x = minimum(maximum(s.x[i], -2.0f), (float)width + 1.0f);
        float y = minimum(maximum(s.y[i], -2.0f), (float)height + 1.0f);
        float left = floorf(x), top = floorf(y);
        float fx = x - left, fy = y - top;
        int32_t x0 = (int32_t)left, y0 = (int32_t)top;
        float wx0 = x0 >= 0 && x0 < width ? 1.0f - fx : 0.0f, wx1 = x0 + 1 >= 0 && x0 + 1 < width ? fx : 0.0f;
        float wy0 = y0 >= 0 && y0 < height ? 1.0f - fy : 0.0f, wy1 = y0 + 1 >= 0 && y0 + 1 < height ? fy : 0.0f;
        wy0 *= s.weight[i];
        wy1 *= s.weight[i];
        int32_t xa = clamp_index(x0, width - 1), xb = clamp_index(x0 + 1, width - 1);
        int32_t ya = start + clamp_index(y0, height - 1) * width, yb = start + clamp_index(y0 + 1, height - 1) * width;
        s.corner_weight[4 * i] = wy0 * wx0;
        s.corner_weight[4 * i + 1] = wy0 * wx1;
        s.corner_weight[4 * i + 2] = wy1 * wx0;
        s.corner_weight[4 * i + 3] = wy1 * wx1;
        s.corner_offset[4 * i] = (ya + xa) * (int32_t)ldv;
        s.corner_offset[4 * i + 1] = (ya + xb) * (int32_t)ldv;
        s.corner_offset[4 * i + 2] = (yb + xa) * (int32_t)ldv;
        s.corner_offset[4 * i + 3] = (yb + xb) * (int32_t)ldv;
    }
}

/// y[channels] <- sum of weight * value at offset, over `corners` corners.
static inline void gather(
    const float *value, const float *weight, const int32_t *offset, long corners, long channels, float *y) {
    long c = 0;
    for (; c + 2 * HCQ_WIDTH <= channels; c += 2 * HCQ_WIDTH) {
        vfloat a = {0}, b = {0};
        for (long j = 0; j < corners; j++) {
            const float *v = value + offset[j] + c;
            a += weight[j] * load(v);
            b += weight[j] * load(v + HCQ_WIDTH);
        }
        store(y + c, a);
        store(y + c + HCQ_WIDTH, b);
    }
    for (; c < channels; c++) {
        float sum = 0.0f;
        for (long j = 0; j < corners; j++) sum += weight[j] * value[offset[j] + c];
        y[c] = sum;
    }
}

/// Self-attention of the pyramid's tokens begin...end: y[token - begin] <- each head's weighted samples of its channels.
///
/// projected [end - begin][ldp] holds the products of the tokens with the offsets' and weights' matrices, without bias;
/// row_table [sum of heights][3 count] and column_table [sum of widths][3 count] add bias and position, which for a sine
/// code is a sum of a part for the row and one for the column. scratch: 11 * count floats.
void HCQ_FUNCTION(deform_encoder)(
    const float *value, long ldv, const hcq_geometry *g, const float *projected, long ldp, const float *row_table,
    const float *column_table, long begin, long end, float *scratch, float *y, long ldy) {
    long count = g->count, per_head = count / g->heads, channels = g->channels;
    sampling s = sampling_in(scratch, count);
    for (long t = begin; t < end; t++) {
        long level = 0, rows = 0, columns = 0;
        while (level + 1 < HCQ_LEVELS && t >= g->level_start[level + 1]) {
            rows += g->level_height[level];
            columns += g->level_width[level];
            level++;
        }
        long row = (t - g->level_start[level]) / g->level_width[level];
        long column = (t - g->level_start[level]) % g->level_width[level];
        const float *p = projected + (t - begin) * ldp;
        const float *of_row = row_table + (rows + row) * 3 * count;
        const float *of_column = column_table + (columns + column) * 3 * count;
        float cx = ((float)column + 0.5f) / (float)g->level_width[level];
        float cy = ((float)row + 0.5f) / (float)g->level_height[level];
        for (long i = 0; i < count; i++) {
            s.x[i] = cx * (float)g->width[i] + p[2 * i] + of_row[2 * i] + of_column[2 * i] - 0.5f;
            s.y[i] = cy * (float)g->height[i] + p[2 * i + 1] + of_row[2 * i + 1] + of_column[2 * i + 1] - 0.5f;
            s.weight[i] = p[2 * count + i] + of_row[2 * count + i] + of_column[2 * count + i];
        }
        share_weights(s, g->heads, per_head);
        find_corners(s, g, ldv);
        for (long h = 0; h < g->heads; h++) {
            gather(
                value + h * channels, s.corner_weight + 4 * h * per_head, s.corner_offset + 4 * h * per_head,
                4 * per_head, channels, y + (t - begin) * ldy + h * channels);
        }
    }
}

/// Cross-attention of queries begin...end, sampled before the values are projected: for every query and head the weighted
/// sum of whole tokens, y [query][heads][ldt], and the sum of the weights inside the maps, share [query][heads].
///
/// projected [query][ldp] holds offsets (head, level, point, xy) and weight logits with their biases. A head's first
/// `joint_points` points are joints [query][ldj], from joint 1 on; the others are the box centre of keys + offset.
/// scratch: 11 * count floats.
void HCQ_FUNCTION(deform_queries)(
    const float *tokens, long ldt, const hcq_geometry *g, const float *projected, long ldp, long joint_points,
    const float *keys, long ldk, const float *joints, long ldj, long begin, long end, float *scratch, float *y,
    float *share) {
    long count = g->count, per_head = count / g->heads, points = per_head / HCQ_LEVELS;
    long offsets = points - joint_points;
    sampling s = sampling_in(scratch, count);
    for (long q = begin; q < end; q++) {
        const float *p = projected + q * ldp, *key = keys + q * ldk, *joint = joints + q * ldj;
        float cx = (key[0] + key[2]) * 0.5f, cy = (key[1] + key[3]) * 0.5f;
        const float *weights = p + g->heads * HCQ_LEVELS * offsets * 2;
        for (long i = 0; i < count; i++) {
            long head = i / per_head, level = i / points % HCQ_LEVELS, point = i % points;
            float w = (float)g->width[i], h = (float)g->height[i];
            if (point < joint_points) {
                const float *at = joint + 2 * (1 + head * joint_points + point);
                s.x[i] = at[0] * w - 0.5f;
                s.y[i] = at[1] * h - 0.5f;
            } else {
                const float *off = p + ((head * HCQ_LEVELS + level) * offsets + point - joint_points) * 2;
                s.x[i] = cx * w + off[0] - 0.5f;
                s.y[i] = cy * h + off[1] - 0.5f;
            }
            s.weight[i] = weights[i];
        }
        share_weights(s, g->heads, per_head);
        find_corners(s, g, ldt);
        for (long h = 0; h < g->heads; h++) {
            const float *w = s.corner_weight + 4 * h * per_head;
            gather(tokens, w, s.corner_offset + 4 * h * per_head, 4 * per_head, ldt, y + (q * g->heads + h) * ldt);
            float sum = 0.0f;
            for (long j = 0; j < 4 * per_head; j++) sum += w[j];
            share[q * g->heads + h] = sum;
        }
    }
}

/// How far the box of whoever is seen at each point is from the query's: the mean over the four sides in units of the query's
/// box, at most 1. sides [4][pitch] as the maps give them, in units of 8 cells; gx, gy [points] in canonical space.
static void strangeness(
    const float *sides, long pitch, long points, const float *gx, const float *gy, const float *box, float margin,
    long height, long width, float *result) {
    const float unit = 8.0f, least = 1e-3f;
    float ux = unit / ((float)width * maximum(box[2] - box[0], least));
    float uy = unit / ((float)height * maximum(box[3] - box[1], least));
    for (long i = 0; i < points; i++) {
        float x = (1.0f + 2.0f * margin) * gx[i] - margin, y = (1.0f + 2.0f * margin) * gy[i] - margin;
        float away = fabsf(x + ux * sides[i]) + fabsf(y + uy * sides[pitch + i])
            + fabsf(x + ux * sides[2 * pitch + i] - 1.0f) + fabsf(y + uy * sides[3 * pitch + i] - 1.0f);
        result[i] = minimum(0.25f * away, 1.0f);
    }
}

/// One query's first joints, read from maps [height][width][channels] at grid x grid points of its box [4].
///
/// pose [joints][2] holds the expected places in canonical space and becomes the mean of the points g with the weights
/// softmax(scale * map(g) - reach * |g - expected|^2 - owner * strangeness(g)), where `owner` may be null. The first `joints`
/// channels are the joints' maps; with `owner` four more tell the owner's box. scratch: 2 * grid * grid + channels * (grid * grid + 16)
/// floats.
void HCQ_FUNCTION(read_joints)(
    const float *maps, long height, long width, long joints, long channels, const float *box, float margin, long grid,
    const float *scale, const float *reach, const float *owner, float *scratch, float *pose) {
    // Rows of whole pages would share a few sets of the cache.
    long points = grid * grid, pitch = points + 16;
    float *gx = scratch, *gy = scratch + points, *read = scratch + 2 * points;
    for (long i = 0; i < points; i++) {
        gx[i] = ((float)(i % grid) + 0.5f) / (float)grid;
        gy[i] = ((float)(i / grid) + 0.5f) / (float)grid;
        float x = (box[0] + ((1.0f + 2.0f * margin) * gx[i] - margin) * (box[2] - box[0])) * (float)width - 0.5f;
        float y = (box[1] + ((1.0f + 2.0f * margin) * gy[i] - margin) * (box[3] - box[1])) * (float)height - 0.5f;
        x = minimum(maximum(x, -2.0f), (float)width + 1.0f);
        y = minimum(maximum(y, -2.0f), (float)height + 1.0f);
        float left = floorf(x), top = floorf(y);
        float fx = x - left, fy = y - top;
        for (long j = 0; j < channels; j++) read[j * pitch + i] = 0.0f;
        for (long corner = 0; corner < 4; corner++) {
            int32_t cx = (int32_t)left + (corner & 1), cy = (int32_t)top + (int32_t)(corner >> 1);
            if (cx < 0 || cx >= width || cy < 0 || cy >= height) continue;
            float weight = (corner & 1 ? fx : 1.0f - fx) * (corner >> 1 ? fy : 1.0f - fy);
            const float *at = maps + ((long)cy * width + cx) * channels;
            for (long j = 0; j < channels; j++) read[j * pitch + i] += weight * at[j];
        }
    }
    // Of the owner's four maps the first becomes what they mean.
    float *strange = read + joints * pitch;
    if (owner) strangeness(strange, pitch, points, gx, gy, box, margin, height, width, strange);
    for (long j = 0; j < joints; j++) {
        float *score = read + j * pitch;
        float ex = pose[2 * j], ey = pose[2 * j + 1];
        for (long i = 0; i < points; i++) {
            float dx = gx[i] - ex, dy = gy[i] - ey;
            score[i] = scale[j] * score[i] - reach[j] * (dx * dx + dy * dy);
            if (owner) score[i] -= owner[j] * strange[i];
        }
        float top = score[0];
        for (long i = 1; i < points; i++) top = maximum(top, score[i]);
        float sum = 0.0f, x = 0.0f, y = 0.0f;
        for (long i = 0; i < points; i++) {
            float w = exponential(score[i] - top);
            sum += w;
            x += w * gx[i];
            y += w * gy[i];
        }
        pose[2 * j] = x / sum;
        pose[2 * j + 1] = y / sum;
    }
}
