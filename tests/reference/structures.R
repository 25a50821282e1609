# Log-likelihoods of models with structured covariances, by glmmTMB, nlme and lme4, written to
# structures.json beside this file; the simulated data of one of them to structures.csv.
#
# Rerun from the root of the repository (R with glmmTMB, nlme, lme4 and jsonlite):
#
#     Rscript tests/reference/structures.R tests/reference
#
# Three independent roads to the same maximum:
#
# * glmmTMB (1.1.5) has us, diag, cs, ar1 and rr; homogeneous variances are made by mapping its
#   log standard deviations to one parameter. Newton steps on its exact gradient end the search.
# * nlme has pdSymm, pdDiag, pdIdent and pdCompSymm; ar1 with an observation per occasion is gls
#   with an exponential correlation and a nugget, where the correlation is positive.
# * lme4 (1.1) has none of them, but its deviance is a function of any relative covariance factor:
#   the factor is made here from log standard deviations and a correlation on the logistic scale,
#   by R's chol(), and that function is minimised from several starts.
#
# Where a program has no such structure, or stops short of a maximum with an error, its entry is
# null.

suppressMessages({
  library(glmmTMB)
  library(lme4)
  library(nlme)
  library(jsonlite)
})

target <- commandArgs(trailingOnly = TRUE)
stopifnot(length(target) == 1)

# --- data ------------------------------------------------------------------------------------

plain <- function(x) factor(as.character(x), levels = sort(unique(as.character(x))))

simulate_visits <- function() {
  # 80 patients, 6 visits, 2 of 12 raters each time, a few visits missed: AR(1) between visits,
  # rising standard deviations, crossed with raters.
  set.seed(20230517)
  k <- 6
  frame <- expand.grid(reading = 1:2, visit = 1:k, patient = 1:80)
  frame$rater <- (frame$patient * 5 + frame$visit * 7 + frame$reading * 4) %% 12 + 1
  covariance <- outer(seq(1, 2, length.out = k), seq(1, 2, length.out = k)) *
    0.7^abs(outer(1:k, 1:k, "-"))
  b <- matrix(rnorm(80 * k), 80) %*% chol(covariance)
  frame$score <- 20 + 0.5 * frame$visit + b[cbind(frame$patient, frame$visit)] +
    rnorm(12, sd = 0.6)[frame$rater] + rnorm(nrow(frame), sd = 0.8)
  frame$score <- round(frame$score, 3)
  frame[(seq_len(nrow(frame)) * 37) %% 101 > 6, c("patient", "visit", "rater", "score")]
}

visits <- simulate_visits()
write.csv(visits, file.path(target, "structures.csv"), row.names = FALSE, quote = FALSE)

recipes <- list(
  sleepstudy = function() {
    d <- lme4::sleepstudy
    d$Subject <- plain(d$Subject)
    d
  },
  machines = function() {
    d <- as.data.frame(nlme::Machines)
    d$Worker <- plain(d$Worker)
    d$Machine <- plain(d$Machine)
    d
  },
  orthodont = function() {
    d <- as.data.frame(nlme::Orthodont)
    d$Subject <- plain(d$Subject)
    d$occasion <- factor(d$age)
    d$place <- as.integer(d$occasion)
    d
  },
  bodyweight = function() {
    d <- as.data.frame(nlme::BodyWeight)
    d$Rat <- plain(d$Rat)
    d$occasion <- factor(d$Time)
    d$place <- as.integer(d$occasion)
    d
  },
  visits = function() {
    d <- visits
    d$patient <- factor(d$patient)
    d$occasion <- factor(d$visit)
    d$rater <- factor(d$rater)
    d
  }
)

# --- structures ------------------------------------------------------------------------------
# Relative covariance factor (k, k) from unconstrained parameters, for lme4's deviance.

low_rho <- function(structure, k) if (structure %in% c("cs", "homcs")) -1 / (k - 1) else -1
correlation <- function(structure, k, par) {
  low <- low_rho(structure, k)
  rho <- low + (1 - low) * plogis(par)
  if (structure %in% c("cs", "homcs")) {
    (1 - rho) * diag(k) + rho
  } else {
    rho^abs(outer(1:k, 1:k, "-"))
  }
}
rank_of <- function(structure) as.integer(sub("rr", "", structure))
trapezoid <- function(k, d) {
  which(lower.tri(diag(k), TRUE) & col(diag(k)) <= d)
}
structured_factor <- function(structure, k, par) {
  if (startsWith(structure, "rr") || structure == "full") {
    out <- matrix(0, k, k)
    out[trapezoid(k, if (structure == "full") k else rank_of(structure))] <- par
    return(out)
  }
  sds <- exp(if (structure %in% c("homdiag", "homcs", "ar1")) rep(par[1], k) else par[1:k])
  if (structure %in% c("zerocorr", "homdiag")) return(diag(sds, k))
  # chol() of the correlations of a matrix that is not singular; sds may be anything.
  sds * t(chol(correlation(structure, k, par[length(par)])))
}
starts_of <- function(structure, k) {
  d <- if (structure == "full") k else if (startsWith(structure, "rr")) rank_of(structure)
  if (!is.null(d)) {
    return(lapply(1:6, function(i) {
      m <- diag(k) + 0.4 * sin(i * outer(1:k, 1:k, "+") + i)
      m[trapezoid(k, d)]
    }))
  }
  sds <- if (structure %in% c("homdiag", "homcs", "ar1")) 0 else rep(0, k)
  if (structure %in% c("zerocorr", "homdiag")) return(list(sds, sds + 1))
  list(c(sds, 0), c(sds + 1, 1), c(sds, 2), c(sds, -1))
}

# --- minimisation ----------------------------------------------------------------------------

newton <- function(f, par) {
  # Central differences; stops when a step no longer lowers f beyond rounding.
  for (pass in 1:6) {
    k <- length(par)
    h <- 1e-4 * pmax(abs(par), 0.1)
    e <- function(i) replace(numeric(k), i, h[i])
    g <- vapply(seq_len(k), function(i) (f(par + e(i)) - f(par - e(i))) / (2 * h[i]), 0)
    w <- 1e-3 * pmax(abs(par), 0.1)
    u <- function(i) replace(numeric(k), i, w[i])
    hessian <- matrix(0, k, k)
    for (i in seq_len(k)) for (j in seq_len(i)) {
      hessian[i, j] <- hessian[j, i] <-
        (f(par + u(i) + u(j)) - f(par + u(i) - u(j)) - f(par - u(i) + u(j)) +
           f(par - u(i) - u(j))) / (4 * w[i] * w[j])
    }
    step <- tryCatch(-solve(hessian, g), error = function(err) NULL)
    if (is.null(step) || max(abs(step)) > 1) break
    if (!isTRUE(f(par + step) <= f(par))) break
    par <- par + step
    if (max(abs(step)) < 1e-8) break
  }
  par
}

minimise <- function(f, starts) {
  safe <- function(p) {
    value <- tryCatch(f(p), error = function(err) NA)
    if (is.finite(value)) value else 1e10
  }
  best <- NULL
  for (start in starts) {
    found <- nlminb(start, safe, control = list(
      rel.tol = 1e-14, x.tol = 1e-12, iter.max = 3000, eval.max = 6000))
    found <- nlminb(found$par, safe, control = list(
      rel.tol = 1e-14, x.tol = 1e-12, iter.max = 3000, eval.max = 6000))
    if (is.null(best) || found$objective < best$objective) best <- found
  }
  par <- newton(safe, best$par)
  list(par = par, value = safe(par))
}

# --- programs --------------------------------------------------------------------------------

by_lme4 <- function(spec, frame) {
  bars <- sprintf("(%s | %s)", spec$columns, spec$group)
  if (!is.null(spec$crossed)) bars <- paste0(bars, " + (1 | ", spec$crossed, ")")
  parsed <- lFormula(as.formula(paste(spec$fixed, "+", bars)), frame, REML = spec$reml,
    control = lmerControl(check.nobs.vs.nRE = "ignore", check.nobs.vs.nlev = "ignore",
                          check.nobs.vs.rankZ = "ignore"))
  deviance <- do.call(mkLmerDevfun, parsed)
  groups <- names(parsed$reTrms$cnms)
  k <- length(parsed$reTrms$cnms[[spec$group]])
  own <- function(par) {
    structured_factor(spec$structure, k, if (is.null(spec$crossed)) par else par[-1])
  }
  theta <- function(par) {
    unlist(lapply(groups, function(group) {
      if (group == spec$group) own(par)[lower.tri(diag(k), TRUE)] else exp(par[1])
    }))
  }
  starts <- starts_of(spec$structure, k)
  if (!is.null(spec$crossed)) starts <- lapply(starts, function(s) c(0, s))
  found <- minimise(function(par) deviance(theta(par)), starts)
  deviance(theta(found$par))
  sigma <- sqrt(environment(deviance)$pp$sqrL(1) + environment(deviance)$resp$wrss())
  n <- nrow(frame) - if (spec$reml) ncol(parsed$X) else 0
  sigma <- sigma / sqrt(n)
  covariance <- tcrossprod(own(found$par)) * sigma^2
  sds <- sqrt(diag(covariance))
  list(
    loglik = -found$value / 2, sigma = sigma, sd = I(sds),
    correlation = I(cov2cor(covariance)[lower.tri(covariance)]), k = k
  )
}

by_glmmTMB <- function(spec, frame, k) {
  hom <- spec$structure %in% c("homdiag", "homcs")
  call <- switch(spec$structure, full = "us", zerocorr = , homdiag = "diag", cs = , homcs = "cs",
                 ar1 = "ar1", rr1 = , rr2 = "rr", NULL)
  if (is.null(call)) return(NULL)
  inside <- sprintf("%s | %s", spec$columns, spec$group)
  if (call == "rr") inside <- paste0(inside, ", d = ", rank_of(spec$structure))
  bars <- sprintf("%s(%s)", call, inside)
  if (!is.null(spec$crossed)) bars <- paste0(bars, " + (1 | ", spec$crossed, ")")
  arguments <- list(
    formula = as.formula(paste(spec$fixed, "+", bars)), data = frame, REML = spec$reml,
    control = glmmTMBControl(optCtrl = list(rel.tol = 1e-14, iter.max = 5000, eval.max = 5000))
  )
  if (hom) {
    tied <- c(rep(1, k), if (spec$structure == "homcs") 2)
    if (!is.null(spec$crossed)) tied <- c(tied, max(tied) + 1)
    arguments$map <- list(theta = factor(tied))
  }
  fit <- tryCatch(suppressWarnings(do.call(glmmTMB, arguments)), error = function(e) NULL)
  if (is.null(fit)) return(NULL)
  par <- fit$fit$par
  value <- fit$obj$fn(par)
  if (!is.finite(value)) return(NULL)
  for (pass in 1:5) {
    hessian <- optimHess(par, fit$obj$fn, fit$obj$gr)
    step <- tryCatch(-solve(hessian, as.vector(fit$obj$gr(par))), error = function(e) NULL)
    if (is.null(step) || !all(is.finite(step)) || max(abs(step)) > 1) break
    after <- fit$obj$fn(par + step)
    if (!is.finite(after) || after > value) break
    par <- par + step
    value <- after
  }
  list(loglik = -value)
}

by_nlme <- function(spec, frame) {
  method <- if (spec$reml) "REML" else "ML"
  control <- lmeControl(maxIter = 500, msMaxIter = 2000, msMaxEval = 5000, tolerance = 1e-12,
                        msTol = 1e-14, niterEM = 50)
  matrix_of <- switch(spec$structure, full = pdSymm, zerocorr = pdDiag, homdiag = pdIdent,
                      homcs = pdCompSymm, NULL)
  fit <- NULL
  if (!is.null(matrix_of) && is.null(spec$crossed)) {
    random <- setNames(list(matrix_of(as.formula(paste("~", spec$columns)))), spec$group)
    fit <- tryCatch(
      lme(as.formula(spec$fixed), frame, random = random, method = method, control = control),
      error = function(e) NULL
    )
  } else if (spec$structure == "ar1" && !is.null(frame$place) && is.null(spec$crossed)) {
    fit <- tryCatch(
      gls(as.formula(spec$fixed), frame, method = method,
          correlation = corExp(c(2, 0.2), form = as.formula(paste("~ place |", spec$group)),
                               nugget = TRUE),
          control = glsControl(tolerance = 1e-12, msTol = 1e-14, msMaxIter = 2000, maxIter = 500)),
      error = function(e) NULL
    )
  }
  if (is.null(fit)) NULL else list(loglik = as.numeric(logLik(fit)))
}

# --- cases -----------------------------------------------------------------------------------

models <- list(
  list(recipe = "sleepstudy", fixed = "Reaction ~ 1 + Days", columns = "1 + Days",
       group = "Subject",
       structures = c("full", "zerocorr", "homdiag", "cs", "homcs", "rr1")),
  list(recipe = "machines", fixed = "score ~ 1 + Machine", columns = "0 + Machine",
       group = "Worker",
       structures = c("full", "zerocorr", "homdiag", "cs", "homcs", "ar1", "hetar1", "rr1",
                      "rr2")),
  list(recipe = "orthodont", fixed = "distance ~ 1 + age * Sex", columns = "0 + occasion",
       group = "Subject", structures = c("cs", "ar1", "hetar1", "rr1")),
  list(recipe = "bodyweight", fixed = "weight ~ 1 + Time * Diet", columns = "0 + occasion",
       # Not cs: with an observation per occasion its likelihood rises as sigma goes to zero.
       group = "Rat", structures = c("ar1", "hetar1", "rr1")),
  list(recipe = "visits", fixed = "score ~ 1 + visit", columns = "0 + occasion",
       group = "patient", crossed = "rater",
       structures = c("full", "zerocorr", "homdiag", "cs", "homcs", "ar1", "hetar1", "rr1",
                      "rr2"))
)

round_to <- function(x, digits) if (is.null(x)) NULL else signif(x, digits)
out <- list()
for (model in models) {
  frame <- recipes[[model$recipe]]()
  for (structure in model$structures) for (reml in c(FALSE, TRUE)) {
    spec <- c(model[c("recipe", "fixed", "columns", "group", "crossed")],
              structure = structure, reml = reml)
    lme <- by_lme4(spec, frame)
    tmb <- by_glmmTMB(spec, frame, lme$k)
    pd <- by_nlme(spec, frame)
    cat(sprintf("%-11s %-9s %-5s lme4 %.8f glmmTMB %s nlme %s\n", model$recipe, structure, reml,
                lme$loglik, format(tmb$loglik, digits = 12), format(pd$loglik, digits = 12)))
    out[[length(out) + 1]] <- list(
      id = paste(model$recipe, structure, if (reml) "reml" else "ml", sep = "-"),
      recipe = model$recipe, fixed = model$fixed, columns = model$columns, group = model$group,
      crossed = model$crossed, structure = structure, reml = reml, rows = nrow(frame),
      loglik = list(lme4 = round_to(lme$loglik, 13), glmmTMB = round_to(tmb$loglik, 13),
                    nlme = round_to(pd$loglik, 13)),
      sigma = signif(lme$sigma, 8), sd = I(signif(lme$sd, 8)),
      correlation = I(signif(lme$correlation, 8))
    )
  }
}

results <- list(
  note = paste(
    "Maximised (restricted) log-likelihoods of models with structured covariances, made by",
    "structures.R beside this file, which says how; null where a program has no such structure or",
    "fails. sigma, sd and correlation (lower triangle, column by column) are lme4's."
  ),
  versions = as.list(c(
    R = as.character(getRversion()),
    sapply(c("glmmTMB", "nlme", "lme4"), function(p) as.character(packageVersion(p)))
  )),
  cases = out
)
write_json(results, file.path(target, "structures.json"), auto_unbox = TRUE, digits = NA,
           pretty = 1, na = "null", null = "null")
