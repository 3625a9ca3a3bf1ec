const figures = JSON.parse(document.getElementById('figures').textContent);
const dark = window.matchMedia('(prefers-color-scheme: dark)');
const draw = () => { for (const key in figures) {
  const figure = figures[key][dark.matches ? 1 : 0];
  Plotly.react('figure-' + key, figure.data, figure.layout, {{ config | tojson }});
} };
draw();
dark.addEventListener('change', draw);
