# Reference estimates by lme4, written to lme4.json beside this file.
#
# Rerun from the root of the repository (R with lme4, mlmRev, nlme and jsonlite):
#
#     Rscript tests/reference/lme4.R tests/reference/lme4.json
#
# lme4's default tolerances stop up to 1e-4 above the optimum. Here every model is fitted by
# BOBYQA with tolerances of 1e-10 and then polished: Newton steps on the deviance function from
# central differences, over the parameters off their bound. What the polish could not lower by
# more than rounding is the optimum that the file reports, with the size of its last step.
#
# A case names a recipe (how its data frame is made, the same in cases.py), the formula as
# mixedscope reads it and, where lme4 needs other words for the same model, lme4's formula.
# Random-effects terms are reported in the order of mixedscope: grouping factors by their first
# appearance in the formula, the terms of one factor as written.

suppressMessages({
  library(lme4)
  library(jsonlite)
})

fetch <- function(package, item) {
  env <- new.env()
  data(list = item, package = package, envir = env)
  frame <- as.data.frame(get(item, env))
  # Plain unordered factors: an ordered one would get polynomial contrasts. Factors that the
  # nlme package orders by the response are put in order of their labels.
  for (name in names(frame)) {
    x <- frame[[name]]
    if (is.factor(x)) {
      labels <- if (is.ordered(x)) sort(levels(x)) else levels(x)
      frame[[name]] <- factor(as.character(x), levels = labels)
    }
  }
  rownames(frame) <- NULL
  frame$row <- seq_len(nrow(frame))
  frame
}

dummies <- function(frame, name) {
  for (label in levels(frame[[name]])) {
    frame[[paste0("d", label)]] <- as.numeric(frame[[name]] == label)
  }
  frame
}

recipes <- list(
  sleepstudy = function() {
    d <- fetch("lme4", "sleepstudy")
    d$w <- 0.5 + (d$row %% 5) / 4 + d$Days / 10
    d$double <- 2 * d$Days + 3
    d
  },
  sleepstudy_thin = function() {
    d <- fetch("lme4", "sleepstudy")
    d <- d[!(d$Subject == "308" & d$Days > 0), ]
    d$Reaction[d$row %in% c(25, 77, 78, 140)] <- NA
    d$Days[d$row %in% c(60, 100)] <- NA
    d
  },
  machines = function() dummies(fetch("nlme", "Machines"), "Machine"),
  machines_thin = function() {
    d <- dummies(fetch("nlme", "Machines"), "Machine")
    d[!d$row %in% c(1, 2, 3, 6, 10, 15, 28, 54), ]
  },
  penicillin = function() fetch("lme4", "Penicillin"),
  pastes = function() fetch("lme4", "Pastes"),
  egsingle = function() fetch("mlmRev", "egsingle"),
  scotssec = function() fetch("mlmRev", "ScotsSec"),
  oxide = function() fetch("nlme", "Oxide"),
  dyestuff = function() fetch("lme4", "Dyestuff"),
  dyestuff2 = function() fetch("lme4", "Dyestuff2"),
  insteval = function() fetch("lme4", "InstEval"),
  cbpp = function() {
    d <- fetch("lme4", "cbpp")
    d$rate <- d$incidence / d$size
    d
  },
  cake = function() {
    d <- fetch("lme4", "cake")
    d$temperature <- factor(d$temperature, levels = c(175, 185, 195, 205, 215, 225))
    d
  },
  oats = function() {
    d <- fetch("nlme", "Oats")
    d$N <- factor(d$nitro, levels = c(0, 0.2, 0.4, 0.6), labels = c("n0", "n2", "n4", "n6"))
    d
  },
  oats_empty_cell = function() {
    d <- recipes$oats()
    d[!(d$Variety == "Victory" & d$N == "n4"), ]
  },
  orthodont = function() fetch("nlme", "Orthodont")
)

case <- function(id, recipe, formula, reml = FALSE, lme4_formula = formula, groups,
                 weights = NULL, contrasts = NULL, rename = NULL, lmlist = NULL,
                 aggregate = FALSE) {
  as.list(environment())
}

machine_dummies <- c(dA = "MachineA", dB = "MachineB", dC = "MachineC")
sleep <- "Reaction ~ 1 + Days + "
cases <- list(
  case("sleepstudy-full-ml", "sleepstudy", paste0(sleep, "(1 + Days | Subject)"),
       groups = "Subject", lmlist = "Reaction ~ 1 + Days | Subject"),
  case("sleepstudy-full-reml", "sleepstudy", paste0(sleep, "(1 + Days | Subject)"),
       reml = TRUE, groups = "Subject", lmlist = "Reaction ~ 1 + Days | Subject"),
  case("sleepstudy-zerocorr-ml", "sleepstudy", paste0(sleep, "(1 + Days || Subject)"),
       groups = "Subject", lmlist = "Reaction ~ 1 + Days | Subject"),
  case("sleepstudy-zerocorr-reml", "sleepstudy", paste0(sleep, "zerocorr(1 + Days | Subject)"),
       lme4_formula = paste0(sleep, "(1 + Days || Subject)"), reml = TRUE, groups = "Subject"),
  case("sleepstudy-intercept-ml", "sleepstudy", paste0(sleep, "(1 | Subject)"),
       groups = "Subject"),
  case("sleepstudy-intercept-reml", "sleepstudy", paste0(sleep, "(1 | Subject)"),
       reml = TRUE, groups = "Subject"),
  case("sleepstudy-weighted-ml", "sleepstudy", paste0(sleep, "(1 + Days | Subject)"),
       weights = "w", groups = "Subject"),
  case("sleepstudy-weighted-reml", "sleepstudy", paste0(sleep, "(1 + Days | Subject)"),
       weights = "w", reml = TRUE, groups = "Subject"),
  case("sleepstudy-thin-ml", "sleepstudy_thin", paste0(sleep, "(1 + Days | Subject)"),
       groups = "Subject", lmlist = "Reaction ~ 1 + Days | Subject"),
  case("sleepstudy-slopes-only-ml", "sleepstudy", paste0(sleep, "(0 + Days | Subject)"),
       groups = "Subject"),
  case("sleepstudy-poly-ml", "sleepstudy", "Reaction ~ poly(Days, 2) + (1 + Days | Subject)",
       groups = "Subject"),
  case("sleepstudy-amalgamated-ml", "sleepstudy",
       paste0(sleep, "(1 + Days | Subject) + (0 + I(Days^2) | Subject)"), groups = "Subject"),
  case("sleepstudy-functions-reml", "sleepstudy",
       "log(Reaction) ~ 1 + scale(Days) + sqrt(Days) + (1 + Days | Subject)", reml = TRUE,
       groups = "Subject"),
  case("sleepstudy-deficient-ml", "sleepstudy",
       "Reaction ~ 1 + Days + double + I(Days^2) + (1 + Days | Subject)", groups = "Subject"),
  case("sleepstudy-deficient-reml", "sleepstudy",
       "Reaction ~ 1 + Days + double + I(Days^2) + (1 + Days | Subject)", reml = TRUE,
       groups = "Subject"),
  case("machines-full-ml", "machines", "score ~ 1 + Machine + (1 + Machine | Worker)",
       groups = "Worker", lmlist = "score ~ 1 + Machine | Worker"),
  case("machines-full-reml", "machines", "score ~ 1 + Machine + (1 + Machine | Worker)",
       reml = TRUE, groups = "Worker"),
  case("machines-cells-ml", "machines", "score ~ 0 + Machine + (0 + Machine | Worker)",
       groups = "Worker"),
  case("machines-zerocorr-ml", "machines", "score ~ 1 + Machine + (1 + Machine || Worker)",
       lme4_formula = "score ~ 1 + Machine + (1 | Worker) + (0 + dB | Worker) + (0 + dC | Worker)",
       rename = machine_dummies, groups = "Worker"),
  case("machines-zerocorr-cells-ml", "machines",
       "score ~ 1 + Machine + zerocorr(0 + Machine | Worker)",
       lme4_formula = paste("score ~ 1 + Machine + (0 + dA | Worker) + (0 + dB | Worker)",
                            "+ (0 + dC | Worker)"),
       rename = machine_dummies, groups = "Worker"),
  case("machines-nested-ml", "machines", "score ~ 1 + Machine + (1 | Worker/Machine)",
       groups = c("Worker", "Worker:Machine"),
       lme4_formula = "score ~ 1 + Machine + (1 | Worker) + (1 | Worker:Machine)"),
  case("machines-nested-reml", "machines", "score ~ 1 + Machine + (1 | Worker/Machine)",
       reml = TRUE, groups = c("Worker", "Worker:Machine"),
       lme4_formula = "score ~ 1 + Machine + (1 | Worker) + (1 | Worker:Machine)"),
  case("machines-sum-ml", "machines", "score ~ 1 + Machine + (1 + Machine | Worker)",
       contrasts = list(Machine = "sum"), groups = "Worker"),
  case("machines-helmert-reml", "machines", "score ~ 1 + Machine + (1 + Machine | Worker)",
       contrasts = list(Machine = "helmert"), reml = TRUE, groups = "Worker"),
  case("machines-thin-reml", "machines_thin", "score ~ 1 + Machine + (1 | Worker:Machine) + (1 | Worker)",
       reml = TRUE, groups = c("Worker:Machine", "Worker")),
  case("penicillin-ml", "penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)",
       groups = c("plate", "sample")),
  case("penicillin-reversed-reml", "penicillin", "diameter ~ 1 + (1 | sample) + (1 | plate)",
       reml = TRUE, groups = c("sample", "plate")),
  case("pastes-ml", "pastes", "strength ~ 1 + (1 | sample) + (1 | batch)",
       groups = c("sample", "batch")),
  case("pastes-nested-reml", "pastes", "strength ~ 1 + (1 | batch/cask)", reml = TRUE,
       lme4_formula = "strength ~ 1 + (1 | batch) + (1 | batch:cask)",
       groups = c("batch", "batch:cask")),
  case("egsingle-ml", "egsingle",
       "math ~ 1 + year * size + female + (1 + year | childid) + (1 + year | schoolid)",
       groups = c("childid", "schoolid")),
  case("egsingle-mixed-reml", "egsingle",
       "math ~ 1 + year + female + (1 + year || schoolid) + (1 | childid)", reml = TRUE,
       groups = c("schoolid", "childid")),
  case("oxide-ml", "oxide", "Thickness ~ 1 + Source + (1 | Lot/Wafer)",
       lme4_formula = "Thickness ~ 1 + Source + (1 | Lot) + (1 | Lot:Wafer)",
       groups = c("Lot", "Lot:Wafer")),
  case("oxide-reml", "oxide", "Thickness ~ 1 + Source + (1 | Lot) + (1 | Lot:Wafer)", reml = TRUE,
       groups = c("Lot", "Lot:Wafer")),
  case("scotssec-ml", "scotssec", "attain ~ 1 + sex + (1 | primary) + (1 | second)",
       groups = c("primary", "second")),
  case("scotssec-slopes-reml", "scotssec",
       "attain ~ 1 + sex + verbal + (1 + sex | primary) + (1 + verbal | second)", reml = TRUE,
       groups = c("primary", "second")),
  case("dyestuff-reml", "dyestuff", "Yield ~ 1 + (1 | Batch)", reml = TRUE, groups = "Batch"),
  case("dyestuff2-ml", "dyestuff2", "Yield ~ 1 + (1 | Batch)", groups = "Batch"),
  case("dyestuff2-reml", "dyestuff2", "Yield ~ 1 + (1 | Batch)", reml = TRUE, groups = "Batch"),
  case("insteval-3-ml", "insteval", "y ~ 1 + service + (1 | s) + (1 | d) + (1 | dept)",
       groups = c("s", "d", "dept"), aggregate = TRUE),
  case("cbpp-rate-ml", "cbpp", "rate ~ 1 + period + (1 | herd)", weights = "size",
       groups = "herd"),
  case("cbpp-rate-reml", "cbpp", "rate ~ 1 + period + (1 | herd)", weights = "size",
       reml = TRUE, groups = "herd"),
  case("cake-reml", "cake", "angle ~ 1 + recipe * temperature + (1 | recipe:replicate)",
       reml = TRUE, groups = "recipe:replicate"),
  case("oats-nested-reml", "oats", "yield ~ nitro + Variety + (1 | Block/Variety)", reml = TRUE,
       lme4_formula = "yield ~ nitro + Variety + (1 | Block) + (1 | Block:Variety)",
       groups = c("Block", "Block:Variety")),
  case("oats-singular-ml", "oats", "yield ~ 1 + nitro + (1 + nitro | Block)", groups = "Block"),
  case("oats-empty-cell-reml", "oats_empty_cell",
       "yield ~ 1 + Variety * N + (1 | Block) + (1 | Block:Variety)", reml = TRUE,
       groups = c("Block", "Block:Variety")),
  case("orthodont-reml", "orthodont", "distance ~ 1 + age * Sex + (1 + age | Subject)",
       reml = TRUE, groups = "Subject")
)

# --- fitting -------------------------------------------------------------------------------

newton_polish <- function(deviance, theta, lower) {
  # Central differences with a step of 1e-4 leave 1e-8 of the step's own size as error.
  step_size <- NA
  for (pass in 1:4) {
    free <- which(!(lower == 0 & theta < 1e-5))
    theta[lower == 0 & theta < 1e-5] <- 0
    if (!length(free)) break
    f0 <- deviance(theta)
    h <- 1e-4 * pmax(abs(theta[free]), 0.05)
    at <- function(i, a, j = i, b = 0) {
      t <- theta
      t[free[i]] <- t[free[i]] + a
      t[free[j]] <- t[free[j]] + b
      deviance(t)
    }
    k <- length(free)
    plus <- vapply(seq_len(k), function(i) at(i, h[i]), 0)
    minus <- vapply(seq_len(k), function(i) at(i, -h[i]), 0)
    gradient <- (plus - minus) / (2 * h)
    wide <- 10 * h # a wider step for second differences, where rounding is divided by h^2
    hessian <- matrix(0, k, k)
    for (i in seq_len(k)) {
      hessian[i, i] <- (at(i, wide[i]) - 2 * f0 + at(i, -wide[i])) / wide[i]^2
      for (j in seq_len(i - 1)) {
        hessian[i, j] <- hessian[j, i] <-
          (at(i, wide[i], j, wide[j]) - at(i, wide[i], j, -wide[j]) -
             at(i, -wide[i], j, wide[j]) + at(i, -wide[i], j, -wide[j])) /
            (4 * wide[i] * wide[j])
      }
    }
    move <- tryCatch(-solve(hessian, gradient), error = function(e) NULL)
    if (is.null(move)) break
    proposal <- theta
    proposal[free] <- theta[free] + move
    if (any(proposal < lower) || deviance(proposal) > f0 + 1e-9 * max(1, abs(f0)) ||
          max(abs(move)) > 0.01) break
    theta <- proposal
    step_size <- max(abs(move))
    if (step_size < 1e-9) break
  }
  list(theta = theta, step = step_size)
}

fit_case <- function(spec) {
  frame <- droplevels(recipes[[spec$recipe]]())
  for (name in names(spec$contrasts)) {
    k <- nlevels(frame[[name]])
    contrasts(frame[[name]]) <- switch(spec$contrasts[[name]],
      sum = contr.sum(k), helmert = contr.helmert(k)
    )
  }
  arguments <- list(formula = as.formula(spec$lme4_formula), data = frame, REML = spec$reml)
  if (!is.null(spec$weights)) arguments$weights <- frame[[spec$weights]]
  parsed <- suppressMessages(do.call(lFormula, arguments))
  deviance <- do.call(mkLmerDevfun, parsed)
  best <- NULL
  start <- NULL
  for (algorithm in c("NLOPT_LN_BOBYQA", "NLOPT_LN_NELDERMEAD", "NLOPT_LN_BOBYQA")) {
    found <- optimizeLmer(deviance, optimizer = "nloptwrap", start = start, control = list(
      algorithm = algorithm, xtol_rel = 1e-10, xtol_abs = 1e-10, ftol_rel = 1e-15,
      ftol_abs = 1e-12, maxeval = 20000
    ))
    if (is.null(best) || found$fval < best$fval) best <- found
    start <- best$par
    if (spec$aggregate) break
  }
  polished <- newton_polish(deviance, best$par, environment(deviance)$lower)
  best$par <- polished$theta
  best$fval <- deviance(polished$theta)
  fitted <- mkMerMod(environment(deviance), best, parsed$reTrms, fr = parsed$fr)
  list(model = fitted, frame = frame, parsed = parsed, polish = polished$step)
}

# --- reporting -----------------------------------------------------------------------------

clean <- function(x) signif(unname(x), 11)
named <- function(x) as.list(signif(x, 11))

random_part <- function(fit, spec) {
  model <- fit$model
  terms <- getME(model, "cnms")
  blocks <- getME(model, "Tlist")
  covariances <- VarCorr(model)
  label <- function(x) {
    known <- x %in% names(spec$rename)
    x[known] <- spec$rename[x[known]]
    x
  }
  shares <- lapply(rePCA(model), function(p) p$sdev^2 / max(sum(p$sdev^2), 1e-300))
  lapply(spec$groups, function(group) {
    own <- which(names(terms) == group)
    stopifnot(length(own) > 0)
    # lme4 may put the intercept of a split `||` term last; mixedscope keeps it first.
    own <- own[order(!vapply(terms[own], function(t) t[1] == "(Intercept)", TRUE))]
    list(
      group = group,
      levels = nlevels(getME(model, "flist")[[group]]),
      parts = lapply(own, function(i) {
        size <- length(terms[[i]])
        correlation <- attr(covariances[[i]], "correlation")
        list(
          terms = I(label(terms[[i]])),
          theta = I(clean(blocks[[i]][lower.tri(blocks[[i]], diag = TRUE)])),
          sd = I(clean(attr(covariances[[i]], "stddev"))),
          correlation = I(if (size > 1) clean(correlation[lower.tri(correlation)]) else numeric(0))
        )
      }),
      pca_shares = I(clean(shares[[group]]))
    )
  })
}

modes_part <- function(fit, spec) {
  table <- as.data.frame(ranef(fit$model, condVar = TRUE))
  out <- list()
  for (group in spec$groups) {
    own <- table[as.character(table$grpvar) == group, ]
    levels_in_order <- levels(getME(fit$model, "flist")[[group]])
    shown <- unique(c(head(levels_in_order, 5), tail(levels_in_order, 5)))
    if (spec$aggregate) shown <- head(levels_in_order, 2)
    entries <- list()
    for (term in unique(as.character(own$term))) {
      rows <- own[as.character(own$term) == term, ]
      values <- setNames(rows$condval, as.character(rows$grp))
      spread <- setNames(rows$condsd, as.character(rows$grp))
      name <- if (term %in% names(spec$rename)) spec$rename[[term]] else term
      entries[[name]] <- list(
        mode = named(values[shown]), std_dev = named(spread[shown]),
        mode_sum_of_squares = clean(sum(values^2)),
        std_dev_sum_of_squares = clean(sum(spread^2))
      )
    }
    out[[group]] <- entries
  }
  out
}

report_case <- function(spec) {
  fit <- fit_case(spec)
  model <- fit$model
  likelihood <- logLik(model)
  k <- attr(likelihood, "df")
  n <- nobs(model)
  aic <- -2 * as.numeric(likelihood) + 2 * k
  coefficients <- coef(summary(model))
  all_names <- colnames(model.matrix(
    nobars(as.formula(spec$lme4_formula)), model.frame(model)
  ))
  out <- list(
    id = spec$id, recipe = spec$recipe, formula = spec$formula,
    lme4_formula = spec$lme4_formula, reml = spec$reml, weights = spec$weights,
    contrasts = spec$contrasts,
    data = list(rows = nrow(fit$frame), used = n,
                response_sum = clean(sum(model.response(model.frame(model)))),
                weight_sum = if (!is.null(spec$weights)) clean(sum(fit$frame[[spec$weights]]))),
    objective = signif(-2 * as.numeric(likelihood), 14),
    loglik = signif(as.numeric(likelihood), 14),
    dof = k, aic = signif(aic, 14), bic = signif(BIC(model), 14),
    aicc = signif(aic + 2 * k * (k + 1) / (n - k - 1), 14),
    sigma = clean(sigma(model)),
    last_step = signif(fit$polish, 2),
    fixed = list(
      names = I(rownames(coefficients)),
      dropped = I(setdiff(all_names, rownames(coefficients))),
      beta = I(clean(coefficients[, "Estimate"])),
      std_error = I(clean(coefficients[, "Std. Error"])),
      statistic = I(clean(coefficients[, "t value"]))
    ),
    random = random_part(fit, spec),
    modes = modes_part(fit, spec),
    fitted = list(head = clean(head(fitted(model), 5)),
                  sum_of_squares = clean(sum(fitted(model)^2))),
    residuals = list(head = clean(head(residuals(model), 5)),
                     sum_of_squares = clean(sum(residuals(model)^2)))
  )
  if (!is.null(spec$lmlist)) {
    own <- suppressWarnings(coef(lmList(as.formula(spec$lmlist), data = fit$frame)))
    population <- fixef(model)
    shifted <- sweep(as.matrix(own), 2, population[colnames(own)])
    out$within_group <- lapply(
      setNames(seq_len(ncol(own)), colnames(own)),
      function(j) named(setNames(shifted[, j], rownames(own)))
    )
  }
  cat(sprintf("%-30s %18.9f  last step %s\n", spec$id, out$objective, format(fit$polish)))
  Filter(Negate(is.null), out)
}

target <- commandArgs(trailingOnly = TRUE)
stopifnot(length(target) == 1)
results <- list(
  note = paste(
    "Estimates by lme4 of models on public data, made by lme4.R beside this file (which says how",
    "to rerun it). Random effects in the order of mixedscope's formula; theta per part: lower",
    "triangle column by column. aicc is computed from aic by AIC + 2k(k+1)/(n-k-1). within_group",
    "is lmList's coefficient minus the fixed effect. last_step is the largest change of theta in",
    "the last Newton step of the polish; null when all of theta is on its bound."
  ),
  versions = list(
    R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")),
    nlme = as.character(packageVersion("nlme")), mlmRev = as.character(packageVersion("mlmRev"))
  ),
  cases = lapply(cases, report_case)
)
write_json(results, target, auto_unbox = TRUE, digits = NA, pretty = 1, na = "null", null = "null")
