// FFmpeg's headers and, as functions, the macros that Swift does not import. Nothing here branches.
#ifndef HCQD_CFFMPEG_SHIM_H
#define HCQD_CFFMPEG_SHIM_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/display.h>
#include <libavutil/error.h>
#include <libavutil/hwcontext.h>
#include <libavutil/imgutils.h>
#include <libavutil/log.h>
#include <libavutil/opt.h>
#include <libavutil/parseutils.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

static inline int hcq_averror(int posix_code) { return AVERROR(posix_code); }
static inline int hcq_averror_eof(void) { return AVERROR_EOF; }
static inline int hcq_averror_exit(void) { return AVERROR_EXIT; }
static inline int hcq_averror_invaliddata(void) { return AVERROR_INVALIDDATA; }
static inline int hcq_averror_protocol_not_found(void) { return AVERROR_PROTOCOL_NOT_FOUND; }
static inline int hcq_averror_http_unauthorized(void) { return AVERROR_HTTP_UNAUTHORIZED; }
static inline int hcq_averror_http_forbidden(void) { return AVERROR_HTTP_FORBIDDEN; }
static inline int hcq_averror_http_not_found(void) { return AVERROR_HTTP_NOT_FOUND; }
static inline int64_t hcq_nopts_value(void) { return AV_NOPTS_VALUE; }
static inline AVRational hcq_time_base_q(void) { return AV_TIME_BASE_Q; }
static inline int hcq_strerror(int code, char *text, size_t size) { return av_strerror(code, text, size); }

#endif
