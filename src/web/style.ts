// The one style sheet, inside each page. Colours are checked for contrast of at least 4.5 to 1 in both schemes.

export const style = `
:root{
  --ground:#fbfbf9;--panel:#fff;--ink:#1c2426;--soft:#566266;--line:#dfe3e2;--accent:#0b5f6e;--accent-soft:#e3f0f2;
  --good:#17643a;--good-soft:#e0f2e6;--bad:#a32222;--bad-soft:#fbe6e4;--wait:#7a5200;--wait-soft:#fbefd2;
  --sans:ui-sans-serif,system-ui,-apple-system,"Segoe UI","Noto Sans","Helvetica Neue",sans-serif;
  --mono:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;
}
@media (prefers-color-scheme:dark){:root{
  --ground:#111719;--panel:#171f22;--ink:#e4eaea;--soft:#9caaad;--line:#2b373b;--accent:#7fd0de;--accent-soft:#16333a;
  --good:#86d9a2;--good-soft:#153323;--bad:#ff9d94;--bad-soft:#41201e;--wait:#f0c567;--wait-soft:#3a2e10;
}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.55 var(--sans);display:flex;flex-direction:column;min-height:100vh}
.wide{width:100%;max-width:76rem;margin-inline:auto;padding-inline:clamp(1rem,3vw,2rem)}
a{color:var(--accent);text-underline-offset:.18em;text-decoration-thickness:.06em}
a:hover{text-decoration-thickness:.12em}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:3px}
main:focus{outline:none}
.skip{position:absolute;left:-100rem;background:var(--panel);padding:.5rem 1rem;z-index:1}
.skip:focus{left:.5rem;top:.5rem}
header{background:var(--panel);border-bottom:1px solid var(--line)}
header .wide{display:flex;align-items:center;justify-content:space-between;gap:.1rem 1rem;min-height:3.75rem;flex-wrap:wrap;padding-block:.5rem}
.brand{display:inline-flex;align-items:center;gap:.6rem;font-weight:650;font-size:1.1rem;color:inherit;text-decoration:none;letter-spacing:-.01em}
.brand img{display:block}
header nav{display:flex;gap:.25rem}
header nav a{padding:.45rem .75rem;border-radius:.4rem;text-decoration:none;color:var(--soft)}
header nav a:hover{color:var(--ink)}
header nav a[aria-current]{color:var(--accent);background:var(--accent-soft)}
main{flex:1;padding-block:clamp(1.5rem,4vw,2.75rem) 3rem}
h1{font-size:clamp(1.55rem,4.5vw,2.2rem);line-height:1.2;letter-spacing:-.02em;font-weight:680;margin:0 0 .5rem;text-wrap:balance}
h1.name{font-family:var(--mono);font-size:clamp(1.15rem,3.4vw,1.6rem);letter-spacing:-.03em;overflow-wrap:anywhere;text-wrap:wrap}
h2{font-size:1.25rem;letter-spacing:-.01em;font-weight:650;margin:0 0 .75rem}
section{margin-top:2.75rem}
h2:not(section h2){margin-top:2.25rem}
p{margin:0 0 1rem;max-width:46rem;text-wrap:pretty}
.lead{color:var(--soft);font-size:1.0625rem;max-width:54rem}
.note,footer{color:var(--soft);font-size:.875rem}
.note{margin-top:.9rem}
.crumb{margin-bottom:.75rem;font-size:.9375rem}
small,.sub{font-size:.8125rem;color:var(--soft);font-weight:400}
.sub{display:block}
.none{color:var(--soft)}
.empty{color:var(--soft);background:var(--panel);border:1px dashed var(--line);border-radius:.6rem;padding:1.1rem 1.25rem;max-width:none}
.warn{color:var(--wait);background:var(--wait-soft);border-radius:.5rem;padding:.7rem 1rem;max-width:none}
.facts{display:flex;flex-wrap:wrap;gap:1rem 2.75rem;margin:1.5rem 0 0}
.facts dt{font-size:.8125rem;color:var(--soft)}
.facts dd{margin:0;font-size:1.5rem;font-weight:620;letter-spacing:-.02em;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.facts small{font-size:.875rem;letter-spacing:0}
table{border-collapse:collapse;width:100%;table-layout:fixed;font-size:.9375rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);font-size:.875rem;padding-bottom:.7rem}
th,td{text-align:left;vertical-align:top;padding:.7rem 1.25rem .7rem 0;font-weight:400}
th:last-child,td:last-child{padding-right:0}
thead th{font-size:.8125rem;color:var(--soft);padding-block:0 .45rem;border-bottom:1px solid var(--line);white-space:nowrap}
tbody tr{border-bottom:1px solid var(--line)}
tbody th{font-weight:600}
.number{text-align:right;white-space:nowrap}
th.name{overflow-wrap:anywhere}
.repositories :is(th,td):nth-child(1){width:27%}
.repositories :is(th,td):nth-child(2){width:21%}
.repositories :is(th,td):nth-child(3){width:9%}
.hosts :is(th,td):nth-child(1){width:24%}
.hosts :is(th,td):nth-child(2){width:26%}
.hosts :is(th,td):nth-child(3){width:16%}
.hosts :is(th,td):nth-child(4){width:8%}
.hosts :is(th,td):nth-child(5){width:9%}
.statistics :is(th,td):nth-child(1){width:40%}
.bar{display:block;margin-top:.35rem;fill:var(--accent)}
.generations :is(th,td):nth-child(1){width:18%}
.tags :is(th,td):nth-child(1){width:19%}
.tags :is(th,td):nth-child(2){width:51%}
.tags :is(th,td):nth-child(4){width:10%}
th.name a{text-decoration:none}
th.name a:hover{text-decoration:underline}
code{font-family:var(--mono);font-size:.875em;overflow-wrap:anywhere}
.command{display:inline-block;max-width:100%;background:var(--accent-soft);border-radius:.4rem;padding:.28rem .6rem;user-select:all;-webkit-user-select:all;cursor:text;overflow-wrap:anywhere}
.digest{font-size:.8rem;user-select:all;-webkit-user-select:all;color:var(--soft)}
.tag{display:inline-block;font-family:var(--mono);font-size:.8125rem;border:1px solid var(--line);background:var(--panel);border-radius:.35rem;padding:.02rem .4rem;margin:0 .2rem .1rem 0;max-width:100%;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;vertical-align:bottom}
.more{white-space:nowrap;font-size:.875rem}
.badge{display:inline-flex;align-items:center;gap:.4rem;border-radius:1rem;padding:.08rem .65rem .08rem .55rem;font-size:.8125rem;font-weight:600;white-space:nowrap}
.badge::before{content:"";width:.5rem;height:.5rem;border-radius:50%;background:currentColor;flex:none}
.good{color:var(--good);background:var(--good-soft)}
.bad{color:var(--bad);background:var(--bad-soft)}
.wait{color:var(--wait);background:var(--wait-soft)}
.bad::before{border-radius:1px;transform:rotate(45deg)}
.wait::before{background:none;border:2px solid currentColor}
.why{display:block;margin-top:.3rem;max-width:30rem;font-size:.875rem;overflow-wrap:anywhere}
form{display:flex;flex-wrap:wrap;align-items:center;gap:.6rem;margin:0 0 1rem}
label{color:var(--soft);font-size:.875rem}
input,button{font:inherit;color:inherit;border-radius:.45rem;border:1px solid var(--soft);padding:.42rem .7rem;min-height:2.6rem}
input{background:var(--panel);flex:1 1 12rem;max-width:24rem;min-width:0}
button{background:var(--accent);border-color:var(--accent);color:var(--panel);font-weight:600;cursor:pointer;padding-inline:1.1rem}
.pager,.choice{display:flex;flex-wrap:wrap;gap:.6rem;margin:1.1rem 0}
.pager a,.choice a{display:inline-block;border:1px solid var(--line);background:var(--panel);border-radius:.45rem;padding:.42rem .9rem;text-decoration:none}
.pager a:hover,.choice a:hover{border-color:var(--accent)}
.choice a[aria-current]{border-color:var(--accent);background:var(--accent-soft);font-weight:600}
footer{border-top:1px solid var(--line);padding-block:1.25rem}
footer p{margin:0}
@media (max-width:50rem){
  .stack,.stack tbody,.stack tr,.stack th,.stack td,.stack caption{display:block}
  .stack thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
  .stack tr{background:var(--panel);border:1px solid var(--line);border-radius:.6rem;padding:.8rem 1rem;margin-bottom:.75rem}
  .stack.stack th,.stack.stack td{padding:.16rem 0;min-width:0;width:auto}
  .stack tbody th{font-size:1.03rem;padding-bottom:.35rem}
  .stack td{display:grid;grid-template-columns:6.2rem minmax(0,1fr);gap:0 .75rem;text-align:left}
  .stack td::before{content:attr(data-label);color:var(--soft);font-size:.8125rem;padding-top:.12rem}
  .stack .number{white-space:normal}
}
@media print{header nav,form,.pager,.choice,.skip{display:none}body{background:none}}
`
